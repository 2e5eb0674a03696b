"""When records count as a backlog, and that nothing is started while one is worked off."""

from dataclasses import dataclass

import pytest

from agents.faust_runner.backlog import LONGEST_SECONDS, OLD_SECONDS, REREAD_SECONDS, Backlog
from agents.stream_manager import StreamsCore
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.streams.names import stream_name
from schemas.records import (
    MediaStreamOpened,
    RecordingDecided,
    RecordingPolicy,
    StartDuplicateStream,
    StopDuplicateStream,
)
from tests.pipeline.streams.calls import ANN, CUSTOMER_LEG, TASK, call, reservation

NOW = 1_000.0
OLD = NOW - OLD_SECONDS
ACTIVE = reservation(ANN, created=1, accepted=2)


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


def _backlog(clock: Clock, last: int) -> Backlog:
    """One in which offset `last` of each partition is the last that waits."""
    backlog = Backlog(clock)
    backlog.followed = lambda _topic, _partition, offset: offset < last
    return backlog


def test_old_records_that_others_follow_are_a_backlog() -> None:
    """New records and each partition's last record are not a backlog, however old that is."""
    backlog = _backlog(Clock(), last=7)
    seen = []
    for partition, offset, written_at in [(0, 5, OLD), (1, 7, OLD), (0, 6, NOW), (0, 6, OLD)]:
        backlog.see("calls", partition, offset, written_at)
        seen.append(backlog.is_worked_off())
    assert [True, False, False, True] == seen


def test_a_role_that_never_catches_up_is_not_waited_for() -> None:
    """After half a minute media streams are started nevertheless: a missing call is no better."""
    clock = Clock()
    backlog = _backlog(clock, last=9)
    backlog.see("calls", 0, 1, OLD)
    clock.now += LONGEST_SECONDS
    backlog.see("calls", 0, 2, OLD)
    assert not backlog.is_worked_off()


def test_in_a_backlog_it_is_decided_and_not_started() -> None:
    """In a backlog decisions are published, because they were true at their time. Media streams are
    started only by the last record or by a tick after it."""
    clock = Clock()
    backlog = _backlog(clock, last=2)
    core = StreamsCore(PolicyHistory.of([RecordingPolicy(1, 0, 0, (ANN,), True, True)]), backlog)
    backlog.see("calls", 0, 1, OLD)
    hasty = core.on_record(TASK, None, call(ACTIVE), 10)
    assert [RecordingDecided] * 2 == [type(o.record) for o in hasty.outputs]
    assert hasty.state is not None
    assert [] == [*core.on_tick(TASK, hasty.state, 11).outputs]

    backlog.see("ticks", 0, 2, OLD)
    after = core.on_tick(TASK, hasty.state, 12)
    assert StartDuplicateStream in [type(o.record) for o in after.outputs]


def test_what_a_backlog_takes_back_was_never_started() -> None:
    """The agent left during the outage: a decision and its end, and no media stream at all."""
    backlog = _backlog(Clock(), last=2)
    core = StreamsCore(PolicyHistory.of([RecordingPolicy(1, 0, 0, (ANN,), True, True)]), backlog)
    backlog.see("calls", 0, 1, OLD)
    state = core.on_record(TASK, None, call(ACTIVE), 10).state
    backlog.see("calls", 0, 2, OLD)
    gone = call(reservation(ANN, created=1, accepted=2, wrapup=3), revision=2)
    outputs = core.on_record(TASK, state, gone, 11).outputs
    decisions = [o.record.decision for o in outputs if isinstance(o.record, RecordingDecided)]
    assert (["stop"] * 2, 2) == (decisions, len(outputs))


def test_a_partition_is_read_again_until_nothing_waits_on_it() -> None:
    """From a restart to the first record that no other follows, of any age, on each partition."""
    backlog = _backlog(Clock(), last=7)
    seen = []
    for partition, offset in [(0, 5), (1, 7), (0, 6), (0, 7), (0, 5), (1, 5)]:
        backlog.see("calls", partition, offset, NOW)
        seen.append(backlog.is_reread())
    assert [True, False, True, False, False, False] == seen

    backlog.restart()
    backlog.see("calls", 1, 5, NOW)
    assert backlog.is_reread()


def test_a_partition_that_never_catches_up_counts_as_read() -> None:
    """After five seconds. Its reports about media streams then have their effects again."""
    clock = Clock()
    backlog = _backlog(clock, last=9)
    seen = []
    for seconds in (0, REREAD_SECONDS - 0.1, 0.1, 0):
        clock.now += seconds
        backlog.see("calls", 0, 1, NOW)
        seen.append(backlog.is_reread())
    assert [True, True, False, False] == seen


@pytest.mark.parametrize("rung_at", [1_000, 2_000])
def test_a_media_stream_is_not_stopped_before_its_decision_is_read_again(rung_at: int) -> None:
    """The table lacks the last steps: the decision and the report about the media stream are read
    again before the version of the call that led to them, and before an earlier one, which Kafka
    may have appended at the same time. The same decision follows, and no command."""
    history = PolicyHistory.of([RecordingPolicy(1, 0, 0, (ANN,), True, True)])
    ringing = call(reservation(ANN, created=1))
    before = StreamsCore(history).on_record(TASK, None, ringing, rung_at).state
    active = call(ACTIVE, revision=2)
    first = [o.record for o in StreamsCore(history).on_record(TASK, before, active, 2_000).outputs]
    [decided] = {record for record in first if isinstance(record, RecordingDecided)}
    [start] = [record for record in first if isinstance(record, StartDuplicateStream)]
    name = stream_name(TASK, CUSTOMER_LEG, start.generation)
    opened = MediaStreamOpened("MZ1", CUSTOMER_LEG, TASK, name, start.generation, "g1", 1, 8_000)

    backlog = _backlog(Clock(), last=4)
    core, state, again = StreamsCore(history, backlog), None, []
    reread = [(decided, 2_000), (opened, 8_000), (ringing, rung_at), (active, 2_000)]
    for offset, (record, at) in enumerate(reread, 1):
        backlog.see("any", 0, offset, NOW)
        step = core.on_record(TASK, state, record, at)
        state, again = step.state, [*again, *(output.record for output in step.outputs)]
    assert {decided} == {record for record in again if isinstance(record, RecordingDecided)}
    assert [] == [r for r in again if isinstance(r, StartDuplicateStream | StopDuplicateStream)]
    assert state is not None
    assert ["running"] == [m.state for m in state.media_streams]


def test_a_media_stream_without_any_decision_is_stopped_once_all_is_read() -> None:
    """The version of the call does not come: the last record that waits stops the media stream."""
    backlog = _backlog(Clock(), last=2)
    core = StreamsCore(PolicyHistory.of([RecordingPolicy(1, 0, 0, (ANN,), True, True)]), backlog)
    name = stream_name(TASK, CUSTOMER_LEG, 1)
    opened = MediaStreamOpened("MZ1", CUSTOMER_LEG, TASK, name, 1, "g1", 1, 8_000)
    backlog.see("stream.events", 0, 1, NOW)
    noted = core.on_record(TASK, None, opened, 8_000)
    assert noted.state is not None
    assert [] == [o for o in noted.outputs if isinstance(o.record, StopDuplicateStream)]

    backlog.see("ticks", 0, 2, NOW)
    outputs = core.on_tick(TASK, noted.state, 9_000).outputs
    assert StopDuplicateStream in [type(output.record) for output in outputs]
