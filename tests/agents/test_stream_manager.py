"""The stream manager's wiring: which record goes where."""

from agents.app import Step
from agents.stream_manager import StreamsCore
from pipeline.calls.policy import PolicyHistory
from pipeline.streams.manager import FORGET_MS
from schemas.codec import encode
from schemas.records import (
    CallStreams,
    GatewayAlive,
    GatewayStarted,
    MediaStreamOpened,
    RecordingPolicy,
    StartDuplicateStream,
    StopDuplicateStream,
)
from schemas.topics import STREAM_COMMANDS, STREAM_EVENTS
from tests.pipeline.streams.calls import ANN, CUSTOMER_LEG, TASK, call, reservation

T = 1_000_000
ACTIVE = reservation(ANN, created=T, accepted=T)


def _core() -> StreamsCore:
    return StreamsCore(PolicyHistory.of([RecordingPolicy(1, 0, 0, (ANN,), True, True)]))


def _running() -> CallStreams:
    core = _core()
    state = core.on_record(TASK, None, call(ACTIVE), T).state
    opened = MediaStreamOpened("MZ1", CUSTOMER_LEG, TASK, None, 1, "g1", 1, T)
    state = core.on_record(TASK, state, opened, T).state
    assert state is not None
    return state


def test_commands_and_reports_go_to_their_topics_under_the_task() -> None:
    """Commands to stream.commands, what happened to stream.events, all keyed by the task SID."""
    outputs = _core().on_record(TASK, None, call(ACTIVE), T).outputs

    assert {TASK} == {o.key for o in outputs}
    for output in outputs:
        command = isinstance(output.record, StartDuplicateStream)
        assert (STREAM_COMMANDS if command else STREAM_EVENTS) == output.topic
        assert type(output.record).__name__ in output.topic.records


def test_its_own_records_are_no_news() -> None:
    """What it wrote on stream.events comes back to it, and changes nothing."""
    core, state = _core(), _running()
    for output in core.on_record(TASK, None, call(ACTIVE), T).outputs:
        if output.topic is STREAM_EVENTS:
            assert Step(state) == core.on_record(TASK, state, output.record, T)


def test_a_gateway_that_starts_again_concerns_every_call_it_held() -> None:
    """The broadcast starts the next generation of the call's media stream."""
    core, state = _core(), _running()
    outputs = core.on_broadcast(TASK, state, GatewayStarted("g1", 2, T + 1), T + 1).outputs
    unconcerned = core.on_broadcast(TASK, state, GatewayStarted("g2", 2, T + 1), T + 1)

    starts = [o.record for o in outputs if isinstance(o.record, StartDuplicateStream)]
    assert [2] == [start.generation for start in starts]
    assert Step(state) == unconcerned


def test_a_living_gateway_is_noted_and_changes_nothing() -> None:
    """Its word keeps the media stream for as long as it comes; ten seconds without it end that."""
    core, state = _core(), _running()
    for now in range(T, T + 60_000, 1_000):
        assert Step(state) == core.on_broadcast(TASK, state, GatewayAlive("g1", 1, now), now)
        assert Step(state) == core.on_tick(TASK, state, now)
    for now in range(T + 60_000, T + 68_000, 1_000):
        assert Step(state) == core.on_tick(TASK, state, now)
    outputs = core.on_tick(TASK, state, T + 68_000).outputs

    commands = [o.record for o in outputs if o.topic is STREAM_COMMANDS]
    assert [StopDuplicateStream, StartDuplicateStream] == [type(command) for command in commands]


def test_a_call_that_is_over_neither_ticks_nor_hears() -> None:
    """It wakes once more, to be forgotten."""
    core = _core()
    gone = reservation(ANN, created=T, accepted=T, wrapup=T + 1)
    state = core.on_record(TASK, None, call(gone), T + 2).state
    assert state is not None

    assert T + 2 + FORGET_MS == core.wakes_at(state)
    assert not core.hears(state)
    assert core.hears(_running())


def test_a_quiet_call_stays_the_very_same_object() -> None:
    """The runner then writes nothing; and the state fits its schema."""
    core, state = _core(), _running()
    step = core.on_tick(TASK, state, T + 1_000)

    assert step.state is state
    assert encode(state)
