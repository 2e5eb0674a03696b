"""The recording policy: the list, its versions, and the decision for a call."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.calls.view import view
from pipeline.policy.decide import Decision, decide, is_news, published
from pipeline.policy.monitored_list import PolicyHistory, party_is_monitored
from schemas.records import Call
from tests.pipeline.policy.lists import T, listing
from tests.pipeline.streams.calls import ANN, BOB, CAROL, call, reservation, transfer


def _decided(version: Call, *entries: str, now: int = T, **switches: bool) -> Decision:
    history = PolicyHistory.of([listing(*(entries or (ANN, CAROL)), **switches)])
    return decide(view(version), history, now)


# The decision


def test_a_monitored_agent_who_is_active_is_recorded() -> None:
    """The reason names the agent, the decision names the version."""
    decision = _decided(call(reservation(ANN, created=T - 20, accepted=T - 10)))

    assert (True, 1) == (decision.record, decision.policy_version)
    assert ("record", f"started: monitored agent {ANN} is active") == published(decision, None)


def test_the_reason_names_the_agent_who_came_first() -> None:
    """In whatever order the reservations stand."""
    ann = reservation(ANN, created=T - 20, accepted=T - 10)
    carol = reservation(CAROL, created=T - 30, accepted=T - 5)
    for version in (call(ann, carol), call(carol, ann)):
        decision = _decided(version)
        assert f"monitored agent {ANN} is active" == decision.reason
        assert "WRann" == decision.reservation_sid


def test_an_alerting_agent_is_not_recorded_and_no_decision_is_published_yet() -> None:
    """No agent has accepted, so there is nothing to publish."""
    decision = _decided(call(reservation(ANN, created=T)))

    assert (False, False) == (decision.record, is_news(decision, None, ""))


def test_calls_that_are_never_recorded_say_why() -> None:
    """Internal calls, directions that are switched off, excluded queues, unmonitored agents."""
    ann = reservation(ANN, created=T, accepted=T)
    vip = reservation(ANN, queue="VIP", created=T, accepted=T)
    bob = reservation(BOB, created=T, accepted=T)
    cases = [
        (_decided(call(ann, direction="internal")), "internal call"),
        (
            _decided(call(ann, direction="outbound"), ANN, record_outbound=False),
            "outbound calls are not recorded",
        ),
        (_decided(call(ann), ANN, record_inbound=False), "inbound calls are not recorded"),
        (_decided(call(vip), ANN, "!queue:vip"), "queue VIP is excluded"),
        (_decided(call(bob)), "no monitored agent"),
    ]
    for decision, why in cases:
        assert ("do-not-record", f"not recorded: {why}") == published(decision, None)
        assert is_news(decision, None, "")


def test_an_unknown_channel_decides_nothing() -> None:
    """It is no voice call, or not known to be one: no recording, and no word about it."""
    ann = reservation(ANN, created=T, accepted=T)
    decision = _decided(call(ann, channel="chat"), now=T + 60_000)
    assert (False, False) == (decision.record, is_news(decision, None, ""))


def test_that_the_direction_stays_unknown_is_decided_after_five_seconds() -> None:
    """Until then the direction may become known. For an unmonitored agent this is never decided."""
    ann, bob = (reservation(who, created=T, accepted=T + 100) for who in (ANN, BOB))
    unknown = call(ann, direction=None)
    news = [is_news(_decided(unknown, now=T + at), None, "") for at in (100, 5_099, 5_100)]
    decision = published(_decided(unknown, now=T + 5_100), None)

    assert [False, False, True] == news
    assert ("do-not-record", "not recorded: direction not known") == decision
    assert not is_news(_decided(call(bob, direction=None), now=T + 60_000), None, "")
    assert not is_news(_decided(unknown, now=T + 9_000), "do-not-record", "no-direction")
    assert is_news(_decided(call(ann), now=T + 9_000), "do-not-record", "no-direction")


def test_of_a_call_that_is_over_the_direction_is_not_waited_for() -> None:
    """The direction of a call that has ended can no longer become known, so it is decided at
    once."""
    gone = reservation(ANN, created=T, accepted=T, wrapup=T + 900)
    over = call(gone, direction=None, milestones={"completed": T + 1_000})
    assert is_news(_decided(over, now=T + 1_000), None, "")


def test_the_last_monitored_agent_leaving_stops_it_whoever_stays() -> None:
    """An unmonitored agent on the call keeps nothing going."""
    gone = reservation(ANN, created=T, accepted=T, wrapup=T + 50)
    bob = reservation(BOB, created=T + 20, accepted=T + 30)
    for version in (call(gone), call(gone, bob)):
        decision = _decided(version, now=T + 60)
        assert ("stop", "stopped: last monitored agent left") == published(decision, "record")
        assert is_news(decision, "record", "monitored")


def test_the_end_of_the_call_stops_it() -> None:
    """The customer or the conference is gone."""
    ann = reservation(ANN, created=T, accepted=T)
    decision = _decided(call(ann, milestones={"conference-end": T + 50}), now=T + 60)

    assert ("stop", "stopped: call ended") == published(decision, "record")


def test_a_change_of_the_list_applies_to_running_calls() -> None:
    """Off the list: stopped, for that reason; each moment by the version in force."""
    history = PolicyHistory.of([listing(ANN), listing(BOB, version=2, at=T + 100)])
    running = view(call(reservation(ANN, created=T, accepted=T)))
    before, after = (decide(running, history, now) for now in (T + 99, T + 100))

    assert (True, 1) == (before.record, before.policy_version)
    assert (False, 2) == (after.record, after.policy_version)
    assert ("stop", "stopped: no longer on the list") == published(after, "record")


def test_a_stop_is_not_published_again() -> None:
    """After the stop the call's end is no news; a new start is."""
    gone = reservation(ANN, created=T, accepted=T, wrapup=T + 50)
    over = _decided(call(gone, milestones={"conference-end": T + 60}), now=T + 70)
    back = _decided(call(gone, reservation(CAROL, created=T + 80, accepted=T + 90)), now=T + 99)

    assert not is_news(over, "stop", "none")
    assert is_news(back, "stop", "none")


def test_the_reason_not_to_record_is_published_once() -> None:
    """The reason that no monitored agent was on the call is the same at its end, so it is not
    published again. Later facts about a call that has ended are not published either."""
    bob = reservation(BOB, created=T, accepted=T)
    over = _decided(call(bob, milestones={"conference-end": T + 50}), now=T + 60)
    off = _decided(call(bob, milestones={"conference-end": T + 50}), ANN, record_inbound=False)

    assert not is_news(over, "do-not-record", "none")
    assert not is_news(off, "do-not-record", "none")
    assert is_news(over, None, "")


TIMES = st.integers(T, T + 5_000)


@st.composite
def reservations(draw: st.DrawFn, name: str) -> tuple[str, dict[str, int]]:
    """One agent's reservation, with any of its milestones in order."""
    created = draw(TIMES)
    accepted = draw(st.none() | st.integers(created, T + 8_000))
    ended = draw(st.none() | st.integers(accepted or created, T + 12_000))
    known = {"created": created, "accepted": accepted, "wrapup": ended}
    return name, {k: v for k, v in known.items() if v is not None}


@given(
    reservations(ANN), reservations(BOB), reservations(CAROL), st.booleans(),
    st.integers(T, T + 15_000),
)  # fmt: skip
def test_nothing_is_recorded_without_a_monitored_agent_or_one_being_called(
    ann: tuple[str, dict[str, int]],
    bob: tuple[str, dict[str, int]],
    carol: tuple[str, dict[str, int]],
    begun: bool,
    now: int,
) -> None:
    """In any history, a recording requires a monitored agent on the call; or else the last one has
    left, no other agent is on the call, and a monitored one is being called or, for a second, may
    be."""
    transfers = (transfer(initiated=T + 2_000),) if begun else ()
    version = call(*(reservation(n, **m) for n, m in (ann, bob, carol)), transfers=transfers)
    seen, policy = view(version), listing(ANN, CAROL)
    decision = decide(seen, PolicyHistory.of([policy]), now)

    on = [s for s in seen.sessions if s.is_open]
    monitored = [s for s in on if party_is_monitored(policy, s)]
    if monitored and seen.definitive_end is None:
        assert decision.record
    elif decision.record:
        called = [s for s in seen.sessions if s.is_pending and party_is_monitored(policy, s)]
        assert not on
        assert called or begun
        assert any(s.ended_at is not None and s.started_at is not None for s in seen.sessions)
