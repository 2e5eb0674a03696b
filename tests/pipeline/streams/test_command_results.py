"""What the adapter's answers mean for a media stream, one by one."""

from dataclasses import replace

import pytest

from pipeline.streams.command_results import answered
from pipeline.streams.names import start_command_id, stop_command_id
from pipeline.streams.reasons import Reason
from pipeline.streams.state import is_over, new_stream, unknown_call
from schemas.records import CallStreams, CommandAnswered, ManagedStream
from schemas.states import ReasonCode, StreamPhase, StreamState
from tests.pipeline.streams.calls import CUSTOMER_LEG, TASK

T, SID = 1_000_000, "MZ" + "1" * 32
WHY = Reason("started: why", ReasonCode.MONITORED_AGENT_ACTIVE)
STARTING, STOPPING = StreamState.STARTING, StreamState.STOPPING


def one(
    state: StreamState, phase: StreamPhase = StreamPhase.SENT, **changes: object
) -> ManagedStream:
    """Return a media stream with a command that waits for its answer."""
    usual = {"phase": phase, "due_at": T + 9_000, "attempt": 1, "stop_attempt": 0}
    if state is STOPPING:
        usual["stop_attempt"] = 1
    return replace(new_stream(1, state, WHY, T), **(usual | changes))  # type: ignore[arg-type]


def of(*streams: ManagedStream) -> CallStreams:
    return replace(unknown_call(TASK), media_streams=streams)


def answer(outcome: str, *, command: str | None = None, **more: object) -> CommandAnswered:
    made = CommandAnswered(
        command or start_command_id(TASK, 1, 1), TASK, 1, "start", outcome, None, None, None, None,
        "because", 1, T,
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def after(
    state: CallStreams, event: CommandAnswered, now: int = T, *, inbound: bool = False
) -> ManagedStream:
    return answered(state, event, now, inbound=inbound).media_streams[0]


DONE = answer("done", call_sid=CUSTOMER_LEG, stream_sid=SID, name="n")
STOP_ID = stop_command_id(TASK, 1, None, 1)


@pytest.mark.parametrize(("sid", "wait"), [(SID, 5_000), (None, 2_000)])
@pytest.mark.parametrize("phase", [StreamPhase.SENT, StreamPhase.REPEATED])
def test_a_start_that_was_done_awaits_its_gateway(
    sid: str | None, wait: int, phase: StreamPhase
) -> None:
    """5 s; 2 s if Twilio only said that there is one of this name. The stated SID is kept."""
    stream = after(of(one(STARTING, phase)), replace(DONE, stream_sid=sid))
    assert (STARTING, StreamPhase.ANSWERED, T + wait) == (stream.state, stream.phase, stream.due_at)
    assert (CUSTOMER_LEG, sid, "n") == (stream.call_sid, stream.stream_sid, stream.name)


@pytest.mark.parametrize(
    "phase", [StreamPhase.ANSWERED, StreamPhase.BACKING_OFF, StreamPhase.QUIET]
)
def test_an_answer_that_is_not_awaited_changes_no_deadline(phase: StreamPhase) -> None:
    """It is a repeated one; the SIDs in it are taken."""
    stream = after(of(one(STARTING, phase)), DONE)
    assert (phase, T + 9_000, SID) == (stream.phase, stream.due_at, stream.stream_sid)


def test_what_a_gateway_said_is_not_replaced_by_an_answer() -> None:
    """It knows the SIDs for certain."""
    running = one(StreamState.RUNNING, stream_sid="MZ2", call_sid="CA2", name="m", opened_at=T)
    assert running == after(of(running), DONE)


@pytest.mark.parametrize("command", ["start:x:1:1", start_command_id(TASK, 1, 2), STOP_ID])
def test_answers_to_other_commands_change_nothing(command: str) -> None:
    """Of another task, another attempt, or a stop that was not sent."""
    state = of(one(STARTING))
    assert state is answered(state, answer("done", command=command), T)


def test_without_an_attempt_no_answer_is_awaited() -> None:
    """A media stream that another process started has none."""
    state = of(one(STARTING, attempt=0))
    assert state is answered(state, answer("done", command=start_command_id(TASK, 1, 0)), T)


def test_a_start_that_was_done_after_all_is_stopped() -> None:
    """The stop before it found nothing, and the media stream counted as over."""
    over = one(StreamState.STOPPED, StreamPhase.QUIET, due_at=None)
    stream = after(of(over), DONE, T + 50)
    assert (STOPPING, SID, T + 50) == (stream.state, stream.stream_sid, stream.due_at)
    assert WHY.text == stream.reason
    closed = replace(over, closed=True)
    assert StreamState.STOPPED == after(of(closed), DONE).state
    assert StreamState.STOPPED == after(of(over), answer("failed")).state


@pytest.mark.parametrize(("attempt", "wait"), [(1, 1_000), (2, 2_000)])
def test_a_failed_start_is_repeated_later(attempt: int, wait: int) -> None:
    """Each pause is longer."""
    event = answer("failed", command=start_command_id(TASK, 1, attempt))
    stream = after(of(one(STARTING, attempt=attempt)), event)
    assert (STARTING, StreamPhase.BACKING_OFF, T + wait) == (
        stream.state,
        stream.phase,
        stream.due_at,
    )


def test_the_third_failure_gives_the_generation_up() -> None:
    """A stop is sent for its name; the next generation waits as after a failure."""
    event = answer("failed", command=start_command_id(TASK, 1, 3))
    state = answered(of(one(STARTING, attempt=3)), event, T)
    (stream,) = state.media_streams
    assert (StreamState.FAILED, StreamPhase.BACKING_OFF, T) == (
        stream.state,
        stream.phase,
        stream.due_at,
    )
    assert ("failed: Twilio refused it (because)", ReasonCode.TWILIO_REFUSED) == (
        stream.reason, stream.reason_code,
    )  # fmt: skip
    assert 1 == state.failures


def test_a_superseded_start_is_repeated_after_a_second() -> None:
    """By a command that was sent before a crash."""
    stream = after(
        of(one(STARTING, attempt=9)), answer("superseded", command=start_command_id(TASK, 1, 9))
    )
    assert (StreamPhase.BACKING_OFF, T + 1_000) == (stream.phase, stream.due_at)


def test_without_a_conference_the_start_failed_and_nothing_must_be_stopped() -> None:
    """And it delays no later one: the search for a conference has pauses of its own."""
    state = answered(of(one(STARTING)), answer("no-conference"), T)
    (stream,) = state.media_streams
    assert (StreamState.FAILED, "failed: because") == (stream.state, stream.reason)
    assert ReasonCode.NO_CONFERENCE == stream.reason_code
    assert is_over(stream)
    assert 0 == state.failures


EXPIRED = answer("expired", code=21220, attempts=4)


@pytest.mark.parametrize(
    ("leg", "opened_at", "event", "wait"),
    [
        (CUSTOMER_LEG, None, EXPIRED, 0),
        (CUSTOMER_LEG, T, EXPIRED, 1_000),
        (CUSTOMER_LEG, T, replace(EXPIRED, code=20404), 1_000),
        (CUSTOMER_LEG, T, replace(EXPIRED, code=404), 1_000),
        (CUSTOMER_LEG, T, replace(EXPIRED, code=None), 1_000),
        (CUSTOMER_LEG, T, replace(EXPIRED, code=20429), 0),
        (CUSTOMER_LEG, T, replace(EXPIRED, attempts=0), 0),
        (None, None, EXPIRED, 0),
    ],
)
def test_a_start_that_expired(
    leg: str | None, opened_at: int | None, event: CommandAnswered, wait: int
) -> None:
    """A leg that rings is asked for again at once. One that was streamed before and is gone has
    hung up, most likely; whether Twilio was asked at all, and said so, matters."""
    before = one(StreamState.STOPPED, generation=7, call_sid=leg, opened_at=opened_at, due_at=None)
    own = one(STARTING, call_sid=leg)
    stream = answered(of(before, own), event, T).media_streams[1]
    assert (STARTING, StreamPhase.BACKING_OFF, T + wait) == (
        stream.state,
        stream.phase,
        stream.due_at,
    )


@pytest.mark.parametrize(
    ("attempt", "wait"), [(1, 1_000), (2, 2_000), (6, 32_000), (7, 60_000), (99, 60_000)]
)
def test_a_leg_that_is_gone_is_asked_for_ever_more_slowly(attempt: int, wait: int) -> None:
    """At least once a minute."""
    before = one(StreamState.STOPPED, generation=7, call_sid=CUSTOMER_LEG, opened_at=T, due_at=None)
    own = one(STARTING, call_sid=CUSTOMER_LEG, attempt=attempt)
    event = replace(EXPIRED, command_id=start_command_id(TASK, 1, attempt))
    assert T + wait == answered(of(before, own), event, T).media_streams[1].due_at


GONE = {"inbound": True, "code": 21220, "attempts": 4, "detail": "", "leg": CUSTOMER_LEG}


@pytest.mark.parametrize(
    ("change", "is_given_up"),
    [
        ({}, True),
        ({"code": 20404}, True),
        ({"code": None, "detail": "Twilio lists no conference for the task"}, True),
        ({"code": None, "detail": "no answer"}, False),
        ({"code": 20429}, False),
        ({"attempts": 0}, False),
        ({"leg": None}, False),
        ({"inbound": False}, False),
    ],
)
def test_the_named_leg_of_an_earlier_inbound_call_is_given_up(
    change: dict[str, object], is_given_up: bool
) -> None:
    """The customer called, so the leg must have been in progress; Twilio did not find it so."""
    case = GONE | change
    own = one(STARTING, call_sid=case.pop("leg"))
    is_inbound = bool(case.pop("inbound"))
    stream = after(of(own), replace(EXPIRED, **case), inbound=is_inbound)  # type: ignore[arg-type]
    assert is_given_up == (StreamState.FAILED == stream.state)
    if is_given_up:
        assert ReasonCode.LEG_NOT_IN_PROGRESS == stream.reason_code
        assert is_over(stream)


def test_a_leg_that_was_streamed_is_not_of_an_earlier_call() -> None:
    """It rings no more; it may have hung up, and is asked for again."""
    before = one(StreamState.STOPPED, generation=7, call_sid=CUSTOMER_LEG, opened_at=T, due_at=None)
    own = one(STARTING, call_sid=CUSTOMER_LEG)
    stream = answered(of(before, own), EXPIRED, T, inbound=True).media_streams[1]
    assert STARTING == stream.state


def stop_answer(outcome: str, attempt: int = 1) -> CommandAnswered:
    return answer(outcome, command=stop_command_id(TASK, 1, None, attempt))


def test_a_stop_of_what_no_gateway_had_ends_it() -> None:
    """No other process will report its end."""
    stream = after(of(one(STOPPING)), stop_answer("done"))
    assert StreamState.STOPPED == stream.state
    assert is_over(stream)
    assert not stream.closed


@pytest.mark.parametrize(("attempt", "wait"), [(1, 2_000), (3, 2_000), (4, 4_000), (9, 15_000)])
def test_a_stop_of_what_runs_awaits_the_gateways_report(attempt: int, wait: int) -> None:
    """Two seconds; longer if stops were sent before."""
    own = one(STOPPING, stop_attempt=attempt, opened_at=T)
    stream = after(of(own), stop_answer("done", attempt))
    assert (STOPPING, StreamPhase.ANSWERED, T + wait) == (stream.state, stream.phase, stream.due_at)


def test_a_stop_of_what_a_gateway_has_closed_is_the_end() -> None:
    """Both have said it."""
    stream = after(of(one(STOPPING, opened_at=T, closed=True)), stop_answer("done"))
    assert StreamState.STOPPED == stream.state
    assert is_over(stream)


@pytest.mark.parametrize(("attempt", "wait"), [(1, 500), (2, 1_000), (5, 8_000)])
@pytest.mark.parametrize("outcome", ["failed", "expired", "superseded"])
def test_a_stop_that_was_not_done_is_repeated(outcome: str, attempt: int, wait: int) -> None:
    """For ever, ever more slowly."""
    stream = after(of(one(STOPPING, stop_attempt=attempt)), stop_answer(outcome, attempt))
    assert (STOPPING, StreamPhase.BACKING_OFF, T + wait) == (
        stream.state,
        stream.phase,
        stream.due_at,
    )


@pytest.mark.parametrize(
    "phase", [StreamPhase.ANSWERED, StreamPhase.BACKING_OFF, StreamPhase.QUIET]
)
def test_a_stops_answer_that_is_not_awaited_changes_nothing(phase: StreamPhase) -> None:
    """It came before, or too late."""
    state = of(one(STOPPING, phase, opened_at=T))
    assert state is answered(state, stop_answer("done"), T)
