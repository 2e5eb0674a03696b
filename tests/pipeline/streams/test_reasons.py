"""What led to a command or a change: its code, and the decision, which names its event."""

from dataclasses import replace

from pipeline.policy.monitored_list import PolicyHistory
from pipeline.streams.manager import Next, on_own, on_record, on_tick
from schemas.codec import decode, encode
from schemas.records import (
    Call,
    CallStreams,
    FindConference,
    LegCheck,
    MediaStreamChanged,
    MediaStreamClosed,
    MediaStreamOpened,
    RecordingDecided,
    RecordingPolicy,
    StartDuplicateStream,
    StopDuplicateStream,
    VerifyLeg,
)
from tests.pipeline.streams.calls import ANN, CUSTOMER_LEG, TASK, call, reservation

T = 1_000_000
HISTORY = PolicyHistory.of([RecordingPolicy(1, 0, 0, (ANN,), True, True)])
ACTIVE = reservation(ANN, created=T, accepted=T)
GONE = reservation(ANN, created=T, accepted=T, wrapup=T + 5_000)
OPENED = MediaStreamOpened("MZ1", CUSTOMER_LEG, TASK, "name", 1, "g1", 1, T)
CLOSED = MediaStreamClosed(
    "MZ1", CUSTOMER_LEG, TASK, "name", 1, "g1", 1, T + 20_000, "dropped", "", 9, 9, 0
)
Caused = (
    RecordingDecided | StartDuplicateStream | StopDuplicateStream | MediaStreamChanged | VerifyLeg
)


def caused_by(version: Call, event_id: str) -> Call:
    """The version, caused by this event."""
    return replace(version, cause_event_id=event_id)


ACCEPTED = caused_by(call(ACTIVE), "accepted")
LEFT = caused_by(call(GONE, revision=2), "left")


def taken(state: CallStreams | None, record: object, now: int) -> Next:
    """The step of one more record."""
    return on_record(TASK, state, record, HISTORY, now)  # type: ignore[arg-type]


def running() -> CallStreams:
    """The call since a gateway took its media stream in."""
    state = taken(taken(None, ACCEPTED, T).state, OPENED, T + 10).state
    assert state is not None
    return replace(state, legs=(LegCheck(CUSTOMER_LEG, "confirmed", 1, T, None, ()),))


def causes(step: Next) -> set[tuple[str, str | None, str | None, str | None]]:
    """Type, code, event and reservation of each record."""
    return {
        (type(each).__name__, each.reason_code, each.cause_event_id, each.reservation_sid)
        for each in step.outputs
        if isinstance(each, Caused)
    }


def test_a_start_and_its_decision_name_the_event_and_the_reservation() -> None:
    """The start and the change name the decision by its time."""
    step = taken(None, ACCEPTED, T)
    code = "monitored-agent-active"
    assert {
        ("RecordingDecided", code, "accepted", "WRann"),
        ("StartDuplicateStream", code, "accepted", "WRann"),
        ("MediaStreamChanged", code, "accepted", "WRann"),
    } == causes(step)
    decided, start, changed = step.outputs
    assert isinstance(decided, RecordingDecided)
    assert isinstance(start, StartDuplicateStream)
    assert isinstance(changed, MediaStreamChanged)
    assert decided.at == start.decided_at == changed.decided_at


def test_a_stop_names_the_event_of_the_leaving() -> None:
    """And so do its decision and the change."""
    step = taken(running(), LEFT, T + 5_100)
    code = "last-monitored-agent-left"
    assert {
        ("RecordingDecided", code, "left", "WRann"),
        ("StopDuplicateStream", code, "left", "WRann"),
        ("MediaStreamChanged", code, "left", "WRann"),
    } == causes(step)


def test_a_later_version_that_changes_nothing_leaves_the_decision_its_event() -> None:
    """The next generation is started by the decision that still holds, and names its event."""
    later = caused_by(call(ACTIVE, revision=2, queue="sales"), "updated")
    state = taken(running(), later, T + 10_000).state
    step = taken(state, CLOSED, T + 20_000)
    assert ("MediaStreamChanged", "socket-dropped", "accepted", "WRann") in causes(step)
    [start] = [each for each in step.outputs if isinstance(each, StartDuplicateStream)]
    assert (2, "accepted", T) == (start.generation, start.cause_event_id, start.decided_at)
    assert "monitored-agent-active" == start.reason_code


def test_a_decision_by_the_list_has_the_latest_event_before_it() -> None:
    """Its version of the list shows that the list led to it."""
    off = RecordingPolicy(2, T, T + 9_000, (), True, True)
    history = PolicyHistory.of([RecordingPolicy(1, 0, 0, (ANN,), True, True), off])
    step = on_tick(running(), history, T + 9_500)
    decided = step.outputs[0]
    assert isinstance(decided, RecordingDecided)
    assert ("accepted", 2) == (decided.cause_event_id, decided.policy_version)
    assert ("agent-off-list", "WRann") == (decided.reason_code, decided.reservation_sid)


def test_questions_say_why_they_are_asked() -> None:
    """The party of the leg, whether it belongs to the call, whether there is a conference."""
    unconfirmed = replace(running(), legs=())
    [verify] = [
        e for e in on_tick(unconfirmed, HISTORY, T + 99).outputs if isinstance(e, VerifyLeg)
    ]
    assert ("leg-unconfirmed", "accepted") == (verify.reason_code, verify.cause_event_id)
    outbound = call(ACTIVE, direction="outbound", customer_call_sid=None)
    outputs = taken(None, caused_by(outbound, "accepted"), T).outputs
    [find] = [each for each in outputs if isinstance(each, FindConference)]
    assert ("leg-unknown", "accepted", T) == (
        find.reason_code, find.cause_event_id, find.decided_at,
    )  # fmt: skip


def test_a_state_of_an_earlier_release_is_continued() -> None:
    """Its decision and media stream have no code. Records about them have none either, until they
    change."""
    state = running()
    streams = tuple(replace(each, reason_code="") for each in state.media_streams)
    old = replace(
        state, reason_code="", cause_event_id=None, reservation_sid=None, media_streams=streams
    )
    old = decode(encode(old))
    assert causes(taken(old, LEFT, T + 5_100)) == causes(taken(state, LEFT, T + 5_100))
    dropped = taken(old, CLOSED, T + 20_000)
    assert {
        ("MediaStreamChanged", "socket-dropped", None, None),
        ("MediaStreamChanged", None, None, None),
        ("StartDuplicateStream", None, None, None),
    } == causes(dropped)


def test_a_record_of_an_earlier_release_is_recognized_after_a_crash() -> None:
    """The table is older than the decision, which was published without codes: its consequences are
    produced once more, with the same time."""
    off = RecordingPolicy(2, T, T + 9_000, (), True, True)
    history = PolicyHistory.of([RecordingPolicy(1, 0, 0, (ANN,), True, True), off])
    state = running()
    [decided, *_] = on_tick(state, history, T + 9_500).outputs
    assert isinstance(decided, RecordingDecided)
    earlier = replace(decided, cause_event_id=None, reservation_sid=None, reason_code=None)
    for own in (decided, earlier):
        again = on_own(state, own, history)
        assert any(isinstance(each, StopDuplicateStream) for each in again.outputs)
    other = replace(earlier, decision="record")
    assert Next(state) == on_own(state, other, history)
