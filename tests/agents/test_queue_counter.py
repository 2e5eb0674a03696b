"""The example role: its counts, and that its page shows the file that is tested."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agents.faust_runner.core import Output, Step
from examples.queue_counter import COUNTS, HOUR_MS, PARTS, QueueCount, QueueCounterCore
from pipeline.calls.merge import Folded, fold
from schemas.records import Call, Fact
from tests.pipeline.calls.histories import T0, inbound

ROOT = Path(__file__).parents[2]
START = T0 - T0 % HOUR_MS

Versions = list[tuple[str | None, int]]
"""The versions of a call: its queue, and the time of the log (ms)."""

QUEUES = st.sampled_from([None, "sales", "support"])
GAPS = st.integers(0, HOUR_MS)
VERSIONS = st.lists(st.tuples(QUEUES, GAPS), max_size=6).map(
    lambda steps: [
        (queue, START + sum(gap for _, gap in steps[: number + 1]))
        for number, (queue, _) in enumerate(steps)
    ]
)
CALLS = st.lists(VERSIONS, max_size=4)


_FOLDED = fold(None, inbound().events[0])


def call(task_sid: str, revision: int, queue: str | None) -> Call:
    """A version of a call in a queue."""
    assert isinstance(_FOLDED, Folded)
    facts = {} if queue is None else {"queue": Fact(queue, 1, T0, "e")}
    return replace(_FOLDED.call, task_sid=task_sid, revision=revision, facts=facts)


def counted(calls: Sequence[Versions]) -> dict[str, set[str]]:
    """Count from the description: a call counts in the first queue that it came to."""
    counts: defaultdict[str, set[str]] = defaultdict(set)
    for number, versions in enumerate(calls):
        for queue, at in versions:
            if queue is not None:
                counts[f"{queue}@{at - at % HOUR_MS}"].add(f"WT{number}")
                break
    return dict(counts)


class Log:
    """The core, its table, and the records that it published."""

    def __init__(self) -> None:
        self.core = QueueCounterCore()
        self.table: dict[str, QueueCount] = {}
        self.outputs: list[Output] = []

    def deliver(self, key: str, record: Call | QueueCount, now: int) -> None:
        """Handle a record, and keep the state."""
        step: Step[QueueCount] = self.core.on_record(key, self.table.get(key), record, now)
        self.outputs += step.outputs
        if step.state is not None:
            self.table[key] = step.state

    def of(self, topic: str) -> list[Output]:
        """Return the records on a topic."""
        return [output for output in self.outputs if output.topic.name == topic]


@given(CALLS, st.data())
def test_no_crash_and_no_order_changes_a_count(calls: list[Versions], data: st.DataObject) -> None:
    """After a crash a call's last records come again, on the state from before or after them.
    Parts of a count come in any order, any number of times."""
    log = Log()
    for number, versions in enumerate(calls):
        key = f"WT{number}"
        records = [(call(key, n, queue), at) for n, (queue, at) in enumerate(versions, start=1)]
        crash = data.draw(st.integers(0, len(records)))
        committed = data.draw(st.integers(0, crash))
        states = [log.table.get(key)]
        for record, at in records[:crash]:
            log.deliver(key, record, at)
            states.append(log.table.get(key))
        restored = states[data.draw(st.integers(committed, crash))]
        log.table.pop(key, None)
        if restored is not None:
            log.table[key] = restored
        for record, at in records[committed:]:
            log.deliver(key, record, at)
    parts = log.of(PARTS.name)
    again = data.draw(st.lists(st.sampled_from(parts), max_size=5)) if parts else []
    for part in data.draw(st.permutations([*parts, *again])):
        log.deliver(part.key, part.record, START)
    counts = {output.key: set(output.record.task_sids) for output in log.of(COUNTS.name)}
    assert counted(calls) == counts


def test_each_count_has_its_queue_and_hour() -> None:
    """Its task SIDs are in order, and only news are published."""
    log = Log()
    for number, task_sid in enumerate(["WT2", "WT1", "WT1"], start=1):
        log.deliver(task_sid, call(task_sid, number, "sales"), START + 1)
    for part in log.of(PARTS.name) * 2:
        log.deliver(part.key, part.record, START + 2)
    counts = [output.record for output in log.of(COUNTS.name)]
    assert [("WT2",), ("WT1", "WT2")] == [count.task_sids for count in counts]
    assert {("sales", START)} == {(count.queue, count.hour) for count in counts}


def test_a_state_is_forgotten_when_no_record_can_change_it() -> None:
    """Two days after its hour."""
    core = QueueCounterCore()
    state = QueueCount("sales", START, ("WT1",))
    due = core.wakes_at(state)
    assert START + 48 * HOUR_MS == due
    assert Step(state) == core.on_tick("key", state, due - 1)
    assert Step(None) == core.on_tick("key", state, due)


def test_the_page_shows_the_role() -> None:
    """docs/howto/add-a-role.md has the whole file."""
    page = (ROOT / "docs/howto/add-a-role.md").read_text()
    role = (ROOT / "examples/queue_counter.py").read_text()
    assert f"```python\n{role}```\n" in page
