"""What counts as a backlog, and that nothing is started while one is worked off."""

from dataclasses import dataclass

from agents.faust_runner.backlog import LONGEST_SECONDS, OLD_SECONDS, Backlog
from agents.stream_manager import StreamsCore
from pipeline.policy.monitored_list import PolicyHistory
from schemas.records import RecordingDecided, RecordingPolicy, StartDuplicateStream
from tests.pipeline.streams.calls import ANN, TASK, call, reservation

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
    """After half a minute things are started all the same: a missing call is no better."""
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
    told = [o.record.decision for o in outputs if isinstance(o.record, RecordingDecided)]
    assert (["stop"] * 2, 2) == (told, len(outputs))
