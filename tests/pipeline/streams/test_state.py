"""The known state of a call's media streams, and the delays after failures."""

from dataclasses import replace

import pytest

from pipeline.streams import state as states
from pipeline.streams.reasons import Reason, reason_of
from pipeline.streams.state import new_stream, unknown_call
from schemas.records import CallStreams, ManagedStream
from schemas.states import ReasonCode, StreamPhase, StreamState
from tests.pipeline.streams.calls import CUSTOMER_LEG, TASK

T = 1_000_000
FIRST = Reason("started: why", ReasonCode.MONITORED_AGENT_ACTIVE)
LAST = Reason("ended: why", ReasonCode.TWILIO_ENDED)


def stream(state: StreamState, generation: int = 1, **changes: object) -> ManagedStream:
    return replace(new_stream(generation, state, FIRST, T), **changes)  # type: ignore[arg-type]


def call_with(*streams: ManagedStream) -> CallStreams:
    return replace(unknown_call(TASK), media_streams=streams)


@pytest.mark.parametrize(
    ("failures", "wait"),
    [(0, 0), (1, 0), (2, 1_000), (3, 2_000), (4, 4_000), (5, 8_000), (6, 15_000), (60, 15_000)],
)
def test_each_failure_in_a_row_doubles_the_pause(failures: int, wait: int) -> None:
    """None after the first, at most 15 s."""
    assert wait == states.back_off_ms(failures)


def test_a_failed_media_stream_delays_the_next() -> None:
    """The second failure in a row by a second."""
    once = states.failed(call_with(), T)
    assert (1, T) == (once.failures, once.not_before)
    twice = states.failed(once, T + 5)
    assert (2, T + 1_005) == (twice.failures, twice.not_before)


def test_the_first_media_stream_of_a_call_is_not_delayed() -> None:
    """Nothing failed before it."""
    fresh = unknown_call(TASK)
    assert (0, 0, 0, 0) == (fresh.failures, fresh.not_before, fresh.seen_at, fresh.revision)


@pytest.mark.parametrize("state", StreamState)
def test_live_is_what_runs_or_will(state: StreamState) -> None:
    """Starting and running."""
    expected = state in {StreamState.STARTING, StreamState.RUNNING}
    assert expected == states.is_live(stream(state))


@pytest.mark.parametrize("state", StreamState)
@pytest.mark.parametrize("due_at", [None, T])
def test_over_is_what_ended_and_has_nothing_due(state: StreamState, due_at: int | None) -> None:
    """A failed one may still have to be stopped."""
    ended = state in {StreamState.STOPPED, StreamState.FAILED}
    assert (ended and due_at is None) == states.is_over(stream(state, due_at=due_at))


@pytest.mark.parametrize(
    ("gateway", "closed", "held"),
    [(None, False, False), ("g1", False, True), ("g1", True, False)],
)
def test_a_gateway_may_hold_what_it_took_in(gateway: str | None, closed: bool, held: bool) -> None:
    """Until it reports the end."""
    one = stream(StreamState.RUNNING, gateway=gateway, closed=closed)
    assert held == states.may_be_held(one)


def test_the_newest_generation() -> None:
    """0 before the first; strangers have generation 0."""
    assert 0 == states.newest_generation(call_with())
    both = [stream(StreamState.RUNNING, 3), stream(StreamState.STOPPING, 0)]
    assert 3 == states.newest_generation(call_with(*both))


def test_a_leg_was_streamed_once_a_gateway_took_it_in() -> None:
    """A start alone does not show that the leg was in progress."""
    asked = stream(StreamState.FAILED, call_sid=CUSTOMER_LEG)
    taken = stream(StreamState.STOPPED, 2, call_sid=CUSTOMER_LEG, opened_at=T)
    nameless = stream(StreamState.STOPPED, 3, opened_at=T)
    assert not states.was_streamed(call_with(asked), CUSTOMER_LEG)
    assert states.was_streamed(call_with(asked, taken), CUSTOMER_LEG)
    assert not states.was_streamed(call_with(taken), "CA" + "9" * 32)
    assert not states.was_streamed(call_with(nameless), None)


def test_an_end_keeps_the_reason_that_was_reported_before() -> None:
    """The reason counts for a media stream that should have continued; a stop already has one."""
    assert LAST == reason_of(states.stopped(stream(StreamState.RUNNING), LAST, closed=True))
    assert FIRST == reason_of(states.stopped(stream(StreamState.STOPPING), LAST, closed=True))


@pytest.mark.parametrize("state", StreamState)
def test_an_ended_media_stream_waits_for_nothing(state: StreamState) -> None:
    """It is stopped; a failed one stays failed. That it was closed is never forgotten."""
    before = stream(state, phase=StreamPhase.SENT, due_at=T)
    ended = states.stopped(before, LAST, closed=False)
    expected = state if state is StreamState.FAILED else StreamState.STOPPED
    assert (expected, StreamPhase.QUIET, None) == (ended.state, ended.phase, ended.due_at)
    assert not ended.closed
    assert states.stopped(before, LAST, closed=True).closed
    assert states.stopped(replace(before, closed=True), LAST, closed=False).closed


@pytest.mark.parametrize("state", StreamState)
def test_a_stop_is_due_at_once(state: StreamState) -> None:
    """With its reason; a failed media stream stays failed, and is stopped all the same."""
    before = stream(state, stop_attempt=2)
    asked = states.to_stop(before, LAST, T + 7)
    expected = state if state is StreamState.FAILED else StreamState.STOPPING
    assert (expected, LAST) == (asked.state, reason_of(asked))
    assert (StreamPhase.BACKING_OFF, T + 7, 2) == (asked.phase, asked.due_at, asked.stop_attempt)


def test_finding_and_replacing() -> None:
    """The first that suits; the same state if nothing changed."""
    one, two = stream(StreamState.STOPPED), stream(StreamState.RUNNING, 2)
    both = call_with(one, two)
    assert two is states.find(both, lambda m: m.generation == 2)
    assert one is states.find(both, lambda m: m.generation > 0)
    assert states.find(both, lambda m: m.generation == 3) is None
    assert both is states.put(both, two, replace(two))
    changed = replace(two, gateway="g1")
    assert (one, changed) == states.put(both, two, changed).media_streams
