"""The overrides of Faust's transport, each against Faust's own, which does it wrong."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import pytest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from intervaltree import IntervalTree

from agents.faust_outbox import BrokenOutbox
from agents.faust_transport import Consumer, ConsumerThread

PARTITION = TP("cti.events", 3)


@dataclass(eq=False)
class Message:
    """A record that a stream has taken."""

    offset: int
    tp: TP = PARTITION
    acked: bool = False


def consumer(kind: Any, acked: list[int], in_flight: list[int], gaps: list[range]) -> Any:
    """A consumer in the middle of its work, never connected."""
    made = object.__new__(kind)
    made._acked = defaultdict(list, {PARTITION: list(acked)})
    made._acked_index = defaultdict(set, {PARTITION: set(acked)})
    made._committed_offset = defaultdict(lambda: None)
    tree = IntervalTree.from_tuples((gap.start, gap.stop) for gap in gaps)
    made._gap = defaultdict(IntervalTree, {PARTITION: tree})
    made._unacked_messages = {Message(offset) for offset in in_flight}
    return made


def test_an_offset_in_flight_is_not_committed() -> None:
    """Between 4 and 9 lies a hole, which Faust fills up with 6, the record just received there:
    acknowledged out of order, 9 would take 6 along (faust issue 606)."""
    state: dict[str, Any] = {"acked": [3, 4, 9], "in_flight": [6], "gaps": [range(5, 10)]}
    assert 10 == consumer(driver.Consumer, **state)._new_offset(PARTITION)
    ours = consumer(Consumer, **state)
    assert 5 == ours._new_offset(PARTITION)
    assert [9] == ours._acked[PARTITION]


def test_holes_hold_nothing_up() -> None:
    """Transaction markers have offsets and are never delivered."""
    ours = consumer(Consumer, acked=[3, 5, 7], in_flight=[], gaps=[])
    assert 8 == ours._new_offset(PARTITION)
    assert [] == ours._acked[PARTITION]
    assert ours._new_offset(PARTITION) is None


def test_after_a_recovery_the_sources_wait_for_the_flow() -> None:
    """Faust resumes them before it seeks: what is read in between is lost."""
    source, changelog = TP("cti.events", 3), TP("changelog", 3)

    class Tables:
        changelog_topics = frozenset({"changelog"})

    class App:
        tables = Tables()

    ours = object.__new__(Consumer)
    ours.app = App()
    ours._active_partitions, ours._paused_partitions = set(), {source, changelog}
    ours._held = set()
    ours.can_resume_flow, ours.suspend_flow = asyncio.Event(), asyncio.Event()
    ours.resume_partitions({source, changelog})
    assert {changelog} == ours._active_partitions
    ours.resume_flow()
    assert {source, changelog} == ours._active_partitions
    assert set() == ours._held


async def test_a_fetch_under_way_keeps_its_partitions() -> None:
    """Faust empties the set when it pauses them; an empty set fetches, and loses, all."""
    asked: list[Any] = []

    class Thread:
        async def getmany(self, active: Any, timeout: float) -> Any:
            asked.append(active)
            return {}

    ours = object.__new__(Consumer)
    ours._thread, ours.fetched = Thread(), {}
    active = {PARTITION}
    await ours._getmany(active, 1.0)
    active.clear()
    assert [{PARTITION}] == asked


@pytest.mark.parametrize("flow_active", [True, False])
async def test_what_a_fetch_brings_too_late_is_given_back(
    monkeypatch: pytest.MonkeyPatch, flow_active: bool
) -> None:
    """Its partition was paused meanwhile, or a rebalance began: Faust would throw it away."""
    other = TP("changelog", 3)
    fetched = {PARTITION: [Message(5), Message(6)], other: [Message(0)]}

    async def fetch(*_: Any) -> Any:
        return fetched

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", fetch)

    @dataclass
    class Kafka:
        sought: dict[TP, int] = field(default_factory=dict)

        def assignment(self) -> set[TP]:
            return {PARTITION, other}

        def seek(self, tp: TP, offset: int) -> None:
            self.sought[tp] = offset

    thread, kafka = object.__new__(ConsumerThread), Kafka()
    thread.consumer = consumer(Consumer, [], [], [])
    thread.consumer.flow_active, thread.consumer._active_partitions = flow_active, {PARTITION}
    kept = await thread._fetch_records(kafka, {PARTITION, other})
    if flow_active:
        assert ({PARTITION: fetched[PARTITION]}, {other: 0}) == (kept, kafka.sought)
    else:
        assert ({}, {PARTITION: 5, other: 0}) == (kept, kafka.sought)


async def test_nothing_is_committed_before_all_that_came_of_it_is_safe() -> None:
    """Faust's flush gives up after 0.1 s and commits all the same."""

    @dataclass
    class Broken:
        async def before_commit(self) -> None:
            raise BrokenOutbox("not safe")

    ours = consumer(Consumer, acked=[3], in_flight=[], gaps=[])
    ours.app = Broken()
    assert not await ours._commit_offsets({PARTITION: 4})
