"""The stream manager's adapter: the topic of each record."""

from dataclasses import replace

import pytest

from agents.faust_runner.core import Step
from agents.stream_metrics import StreamMetrics
from pipeline.streams.manager import FORGET_MS
from schemas.codec import encode
from schemas.records import (
    CommandAnswered,
    GatewayAlive,
    GatewayStarted,
    RecordingDecided,
    StartDuplicateStream,
    StopDuplicateStream,
)
from schemas.topics import MEDIA, STREAM_COMMANDS, STREAM_EVENTS, Topic
from tests.agents.streamed import ACTIVE, T, count_of, counted_core, running_state, streams_core
from tests.pipeline.streams.calls import ANN, CUSTOMER_LEG, TASK, call, later, reservation


def test_commands_and_reports_go_to_their_topics_under_the_task() -> None:
    """Commands go to stream.commands, reports to stream.events, all with the task SID as key."""
    outputs = streams_core().on_record(TASK, None, call(ACTIVE), T).outputs

    assert {TASK} == {o.key for o in outputs}
    for output in outputs:
        command = isinstance(output.record, StartDuplicateStream)
        assert command == (STREAM_COMMANDS is output.topic)
        assert output.topic in (STREAM_COMMANDS, STREAM_EVENTS, MEDIA)
        assert type(output.record).__name__ in output.topic.records


def test_each_decision_is_in_the_log_beside_the_audio() -> None:
    """Every decision is on media too, and nothing else of the stream manager's is."""
    core = streams_core()
    active = call(ACTIVE)
    steps = [core.on_record(TASK, None, active, T)]
    gone = reservation(ANN, created=T, accepted=T, wrapup=T + 50)
    steps.append(core.on_record(TASK, steps[0].state, later(active, reservations=(gone,)), T + 60))
    outputs = [output for step in steps for output in step.outputs]

    def decisions(topic: Topic) -> list[object]:
        return [o.record for o in outputs if o.topic is topic and o.record in decided]

    decided = [o.record for o in outputs if isinstance(o.record, RecordingDecided)]
    assert ["record", "stop"] == [d.decision for d in decisions(MEDIA)]  # type: ignore[attr-defined]
    assert decisions(STREAM_EVENTS) == decisions(MEDIA)
    assert 2 == len([o for o in outputs if o.topic is MEDIA])


def test_its_own_records_are_no_news() -> None:
    """Its own records on stream.events change nothing."""
    core, state = streams_core(), running_state()
    for output in core.on_record(TASK, None, call(ACTIVE), T).outputs:
        if output.topic is STREAM_EVENTS:
            assert Step(state) == core.on_record(TASK, state, output.record, T)


def test_a_gateway_that_starts_again_concerns_every_call_it_held() -> None:
    """The broadcast starts the next generation of the call's media stream."""
    core, state = streams_core(), running_state()
    outputs = core.on_broadcast(TASK, state, GatewayStarted("g1", 2, T + 1), T + 1).outputs
    unconcerned = core.on_broadcast(TASK, state, GatewayStarted("g2", 2, T + 1), T + 1)

    starts = [o.record for o in outputs if isinstance(o.record, StartDuplicateStream)]
    assert [2] == [start.generation for start in starts]
    assert Step(state) == unconcerned


def test_a_living_gateway_is_noted_and_changes_nothing() -> None:
    """Signs of life keep the media stream; it ends ten seconds after the last one."""
    core, state = streams_core(), running_state()
    for now in range(T, T + 60_000, 1_000):
        assert Step(state) == core.on_broadcast(TASK, state, GatewayAlive("g1", 1, now), now)
        assert Step(state) == core.on_tick(TASK, state, now)
    for now in range(T + 60_000, T + 68_000, 1_000):
        assert Step(state) == core.on_tick(TASK, state, now)
    outputs = core.on_tick(TASK, state, T + 68_000).outputs

    commands = [o.record for o in outputs if o.topic is STREAM_COMMANDS]
    assert [StopDuplicateStream, StartDuplicateStream] == [type(command) for command in commands]


def test_a_call_that_is_over_wants_neither_ticks_nor_broadcasts() -> None:
    """It is due once more, to be forgotten."""
    core = streams_core()
    gone = reservation(ANN, created=T, accepted=T, wrapup=T + 1)
    state = core.on_record(TASK, None, call(gone), T + 2).state
    assert state is not None

    assert T + 2 + FORGET_MS == core.wakes_at(state)
    assert not core.wants_broadcasts(state)
    assert core.wants_broadcasts(running_state())


def test_a_quiet_call_stays_the_very_same_object() -> None:
    """The runner then writes nothing; and the state fits its schema."""
    core, state = streams_core(), running_state()
    step = core.on_tick(TASK, state, T + 1_000)

    assert step.state is state
    assert encode(state)


def test_time_without_a_running_media_stream_is_counted() -> None:
    """From the decision until a gateway has it; a pause in the ticks counts for five seconds."""
    core = counted_core()
    state = core.on_record(TASK, None, call(ACTIVE), T).state
    assert state is not None
    before = count_of("unstreamed_seconds")
    for now in (T + 1_000, T + 2_000, T + 60_000):
        state = core.on_tick(TASK, state, now).state
        assert state is not None
    assert pytest.approx(before + 7.0) == count_of("unstreamed_seconds")

    core, running = counted_core(), running_state()
    before = count_of("unstreamed_seconds")
    core.on_tick(TASK, running, T + 1_000)
    assert before == count_of("unstreamed_seconds")


def test_a_start_that_never_reached_a_gateway_is_counted() -> None:
    """Twilio confirms the start, and no gateway has the media stream after five seconds."""
    core = counted_core()
    step = core.on_record(TASK, None, call(ACTIVE), T)
    [start] = [o.record for o in step.outputs if isinstance(o.record, StartDuplicateStream)]
    done = CommandAnswered(
        start.command_id, TASK, 1, "start", "done", CUSTOMER_LEG, "MZ1", "n", None, "", 1, T
    )
    before = count_of("failed_starts", kind="never-reached-gateway")
    state = core.on_record(TASK, step.state, done, T).state
    for now in range(T, T + 11_000, 1_000):
        assert state is not None
        state = core.on_tick(TASK, state, now).state
    assert before + 1 == count_of("failed_starts", kind="never-reached-gateway")


def test_a_call_of_unknown_direction_is_decided_by_a_tick_and_counted() -> None:
    """Five seconds after the monitored agent accepted; as soon as it is known, it is recorded."""
    core = counted_core()
    unknown = call(ACTIVE, direction=None)
    state = core.on_record(TASK, None, unknown, T).state
    assert state is not None
    before = count_of("stream_manager_undecidable_calls")
    assert () == core.on_tick(TASK, state, T + 4_999).outputs
    step = core.on_tick(TASK, state, T + 5_000)
    assert ["not recorded: direction not known"] * 2 == [o.record.reason for o in step.outputs]
    assert before + 1 == count_of("stream_manager_undecidable_calls")
    known = later(call(ACTIVE), reservations=unknown.reservations)
    outputs = core.on_record(TASK, step.state, known, T + 6_000).outputs
    assert "record" in {getattr(o.record, "decision", None) for o in outputs}


def test_capture_after_the_call_decides_and_starts_nothing() -> None:
    """Decisions are published as always, so that contacts have their required time. No media
    stream is started and no conference is asked for, on records, ticks, or after a crash; the time
    without a media stream is not counted as a fault."""
    core = streams_core(starts=False)
    metrics = StreamMetrics(starts=False)
    before = count_of("unstreamed_seconds")
    step = core.on_record(TASK, None, call(ACTIVE), T)
    published = [o.record for o in step.outputs]
    state = step.state
    decided = next(r for r in published if isinstance(r, RecordingDecided))
    assert "record" == decided.decision
    for at in range(T + 1_000, T + 60_000, 1_000):
        assert state is not None
        metrics.observe(TASK, state, None, step, at)
        step = core.on_tick(TASK, state, at)
        published += [o.record for o in step.outputs]
        state = step.state
    assert state is not None
    published += [o.record for o in core.on_record(TASK, state, decided, T + 61_000).outputs]
    forgotten = replace(state, decision=None, seen_at=T - 1)
    published += [o.record for o in core.on_record(TASK, forgotten, decided, T).outputs]
    assert {RecordingDecided} == set(map(type, published))
    assert before == count_of("unstreamed_seconds")
