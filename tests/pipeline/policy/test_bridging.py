"""Transfers: the recording continues while the next agent is called."""

from pipeline.calls.view import view
from pipeline.policy.decide import Decision, decide, is_news
from pipeline.policy.monitored_list import PolicyHistory
from schemas.records import Call, RecordingPolicy
from tests.pipeline.policy.lists import T, listing
from tests.pipeline.streams.calls import ANN, BOB, CAROL, call, reservation, transfer


def _decided(version: Call, *entries: str, now: int = T, **switches: bool) -> Decision:
    history = PolicyHistory.of([listing(*(entries or (ANN, CAROL)), **switches)])
    return decide(view(version), history, now)


def test_a_transfer_to_a_monitored_agent_keeps_the_recording_while_it_rings() -> None:
    """The recording continues however long the next agent's phone rings, if the reservation was
    made at most a second after the first agent left."""
    gone = reservation(ANN, created=T, accepted=T, wrapup=T + 50)
    in_time = reservation(CAROL, created=T + 1_050)
    too_late = reservation(CAROL, created=T + 1_051)

    assert _decided(call(gone, in_time), now=T + 30_000).record
    assert not _decided(call(gone, too_late), now=T + 2_000).record


def test_who_left_may_be_taken_off_the_list_while_the_next_one_is_called() -> None:
    """The list at the moment of leaving counts. The earlier removal of an agent has stopped the
    recording already."""
    called = view(
        call(reservation(ANN, created=T, accepted=T, wrapup=T + 50), reservation(CAROL, created=T))
    )

    def recorded(taken_off_at: int) -> bool:
        later = RecordingPolicy(2, 0, taken_off_at, (CAROL,), True, True)
        history = PolicyHistory.of([RecordingPolicy(1, 0, 0, (ANN, CAROL), True, True), later])
        return decide(called, history, T + 9_000).record

    assert recorded(taken_off_at=T + 51)
    assert not recorded(taken_off_at=T + 50)


def test_who_is_put_on_the_list_after_leaving_counts_from_then_on() -> None:
    """While the next agent is called, with the version that takes effect."""
    called = view(
        call(reservation(BOB, created=T, accepted=T, wrapup=T + 50), reservation(CAROL, created=T))
    )

    def recorded(put_on_at: int) -> bool:
        later = RecordingPolicy(2, 0, put_on_at, (BOB, CAROL), True, True)
        history = PolicyHistory.of([RecordingPolicy(1, 0, 0, (CAROL,), True, True), later])
        return decide(called, history, T + 100).record

    assert recorded(put_on_at=T + 100)
    assert not recorded(put_on_at=T + 101)


def test_a_transfer_to_an_unmonitored_agent_ends_it_at_once() -> None:
    """The recording ends even while the unmonitored agent's phone rings, and while the transfer is
    still under way."""
    gone = reservation(ANN, created=T, accepted=T, wrapup=T + 50)
    bob = reservation(BOB, created=T + 40)

    for begun in (T + 30, T + 45):  # the reservation was for the transfer, or before it
        version = call(gone, bob, transfers=(transfer(initiated=begun),))
        assert not _decided(version, now=T + 60).record


def test_a_transfer_under_way_is_bridged_for_a_second() -> None:
    """A transfer that began before the agent left, and that has no reservation yet, keeps the
    recording for one second. One that has failed, was completed or cancelled, or began later does
    not."""
    gone = reservation(ANN, created=T, accepted=T, wrapup=T + 50)

    def record(now: int, **milestones: int) -> bool:
        return _decided(call(gone, transfers=(transfer(**milestones),)), now=now).record

    assert [True, True, False] == [
        record(now, initiated=T + 40) for now in (T + 50, T + 1_049, T + 1_050)
    ]
    assert not record(T + 60, initiated=T + 60)
    for over in ("completed", "failed", "canceled"):
        assert not record(T + 60, **{"initiated": T + 40, over: T + 55})


def test_the_second_counts_from_when_the_leaving_became_known() -> None:
    """Events may be late, and so are the events that follow them."""
    gone = reservation(ANN, created=T, accepted=T, wrapup=T + 50)
    version = view(call(gone, transfers=(transfer(initiated=T + 40),)))
    history = PolicyHistory.of([listing(ANN)])

    known_at = T + 5_000
    at = (known_at, known_at + 999, known_at + 1_000)
    assert [True, True, False] == [decide(version, history, n, known_at).record for n in at]


def test_bridging_begins_nothing() -> None:
    """While a monitored agent's phone rings, a recording continues, but none is started."""
    gone = reservation(ANN, created=T, accepted=T, wrapup=T + 50)
    bridging = _decided(call(gone, reservation(CAROL, created=T + 60)), now=T + 70)

    assert (True, False) == (bridging.record, bridging.begins)
    assert not any(is_news(bridging, last, "") for last in (None, "record", "stop"))


def test_a_rejected_transfer_ends_it() -> None:
    """The recording ends when the called monitored agent rejects the call."""
    gone = reservation(ANN, created=T, accepted=T, wrapup=T + 50)
    carol = reservation(CAROL, created=T + 40, rejected=T + 500)

    assert not _decided(call(gone, carol), now=T + 600).record


def test_an_unaccepted_reservation_is_awaited_for_ten_minutes() -> None:
    """From the moment at which the monitored agent was asked."""
    minute = 60_000
    gone = reservation(ANN, created=T, accepted=T, wrapup=T + 50)
    version = call(gone, reservation(CAROL, created=T + 40))

    assert _decided(version, now=T + 40 + 10 * minute - 1).record
    assert not _decided(version, now=T + 40 + 10 * minute).record


def test_who_left_last_decides_whether_it_is_bridged() -> None:
    """A monitored agent: yes; an unmonitored one: no, in whatever order they came."""
    for last, is_bridged in ((ANN, True), (BOB, False)):
        for first in (ANN, BOB):
            created = {ANN: T + 10 * (first != ANN), BOB: T + 10 * (first != BOB)}
            gone = [
                reservation(who, created=at, accepted=at, wrapup=T + 50 + 50 * (who == last))
                for who, at in created.items()
            ]
            version = call(*gone, transfers=(transfer(initiated=T + 45),))
            assert is_bridged == _decided(version, now=T + 200).record


def test_a_call_that_is_over_is_not_bridged() -> None:
    """The task was completed: no transfer takes shape any more."""
    gone = reservation(ANN, created=T, accepted=T, wrapup=T + 50)
    over = call(gone, transfers=(transfer(initiated=T + 40),), milestones={"completed": T + 60})

    assert not _decided(over, now=T + 70).record
