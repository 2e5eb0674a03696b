"""Partitions that belong together are given together."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from agents.faust_runner.adapter import assignment
from agents.faust_runner.adapter.assignment import REASON, lacking, watch_assignment
from pipeline.runtime.telemetry import Health

TOPICS = ("in", "ticks", "changelog")


@given(st.sets(st.tuples(st.sampled_from(TOPICS), st.integers(0, 5))))
def test_what_another_topic_has_is_lacking(assigned: set[tuple[str, int]]) -> None:
    """A topic lacks the partitions that another topic has beyond its own."""
    missing = lacking(assigned, TOPICS)
    partitions = {number for _, number in assigned}
    for topic in TOPICS:
        has = {number for name, number in assigned if name == topic}
        assert partitions == has | set(missing.get(topic, ()))
        assert not has & set(missing.get(topic, ()))


@dataclass
class Consumer:
    """Faust's consumer, which is given all partitions when it joins again."""

    given: dict[str, int]
    started: bool = True
    joined: int = 0
    health: Health = field(default_factory=Health)
    seen: list[str] = field(default_factory=list)

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition(t, n) for t, count in self.given.items() for n in range(count)}

    def rejoin(self) -> None:
        self.seen += [self.health.reasons.get(REASON, "")]
        self.joined += 1
        self.given = dict.fromkeys(TOPICS, 24)


async def test_a_topic_that_was_left_out_is_joined_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The check is red while a partition is missing, and green once the group has rebalanced."""
    monkeypatch.setattr(assignment, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(assignment, "_AGAIN_SECONDS", 0.01)
    consumer = Consumer({"ticks": 24, "changelog": 24})
    app = SimpleNamespace(rebalancing=True, consumer=consumer)
    watching = asyncio.create_task(watch_assignment(app, TOPICS, consumer.health))
    await asyncio.sleep(0.1)
    assert (0, {}) == (consumer.joined, consumer.health.reasons)
    app.rebalancing = False
    async with asyncio.timeout(10):
        while not consumer.joined or consumer.health.reasons:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert 1 == consumer.joined
    assert ["partitions of topics are missing: in (24); joining the group again"] == consumer.seen
    watching.cancel()


async def test_a_process_without_partitions_is_well() -> None:
    """There are more processes than partitions."""
    assert {} == lacking([], TOPICS)
