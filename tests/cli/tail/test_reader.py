"""The records of topics in the order of time, then new ones. With Kafka:
tests/integration/test_tail.py."""

import asyncio
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from cli.tail import reader
from cli.tail.arguments import TailRequest
from cli.tail.decoding import Shown
from cli.tail.reader import CLOCKS_APART_MS, read
from pipeline.runtime.kafka import partition_of
from pipeline.runtime.settings import Settings
from schemas.topics import CALLS, GATEWAYS_ALIVE, POLICY
from tests.pipeline.runtime.log_consumers import Consumer, Kafka

SETTINGS = Settings(topic_prefix="p.")
TASK = "WT" + "a" * 32
POLICY_0 = TopicPartition("p.policy", 0)


@dataclass
class TailConsumer(Consumer):
    """A consumer that can pause partitions. `appended`: records that come while it follows."""

    halted: set[TopicPartition] = field(default_factory=set)

    def paused(self) -> set[TopicPartition]:
        return self.halted

    def assignment(self) -> set[TopicPartition]:
        return set(self.positions)

    def pause(self, *tps: TopicPartition) -> None:
        self.halted = self.halted | set(tps)

    def resume(self, *tps: TopicPartition) -> None:
        self.halted = self.halted - set(tps)

    async def getmany(self, *_: TopicPartition, timeout_ms: int) -> Any:
        found = await super().getmany(*(self.positions.keys() - self.halted))
        if not any(found.values()):
            await asyncio.sleep(timeout_ms / 1000)
        return {tp: records for tp, records in found.items() if records}


def use(kafka: Kafka, patch: pytest.MonkeyPatch) -> Kafka:
    """Let the command read these topics."""
    patch.setattr(reader, "consumer", lambda *_, **__: _made(kafka))
    return kafka


def _made(kafka: Kafka) -> TailConsumer:
    made = TailConsumer(kafka)
    kafka.consumers.append(made)
    return made


async def all_of(request: TailRequest) -> list[Shown]:
    """Return the records."""
    return [each async for records in read(SETTINGS, request) for each in records]


times = st.lists(st.integers(0, 30), max_size=6).map(sorted)


@given(
    st.lists(times, min_size=1, max_size=3),
    st.none() | st.integers(0, 30),
    st.none() | st.integers(0, 30),
)
def test_records_are_shown_in_the_order_of_time(
    partitions: list[list[int]], since: int | None, until: int | None
) -> None:
    """Of all partitions, each once, between the two times. The consumer is stopped."""
    empty = {TopicPartition("p.calls", n): dict[int, int]() for n in range(CALLS.partitions)}
    filled = {
        TopicPartition("p.calls", n): dict(enumerate(each)) for n, each in enumerate(partitions)
    }
    with pytest.MonkeyPatch.context() as patch:
        kafka = use(Kafka(empty | filled), patch)
        found = asyncio.run(all_of(TailRequest((CALLS,), since=since, until=until)))
    expected = [
        at for each in partitions for at in each
        if (since is None or at >= since) and (until is None or at < until)
    ]  # fmt: skip
    assert sorted(expected) == [each.timestamp for each in found]
    assert not any(each.is_running for each in kafka.consumers)


async def test_a_task_is_read_from_its_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    """On topics that are keyed by task. On others every partition is read."""
    partitions = {
        TopicPartition(f"p.{topic.name}", n): {0: 1}
        for topic in (CALLS, GATEWAYS_ALIVE)
        for n in range(topic.partitions)
    }
    kafka = use(Kafka(partitions), monkeypatch)
    assert [] == await all_of(TailRequest((CALLS, GATEWAYS_ALIVE), task_sid=TASK))
    [consumer] = kafka.consumers
    numbers = {tp.partition for tp in consumer.positions if tp.topic == "p.calls"}
    assert {partition_of(TASK.encode(), CALLS.partitions)} == numbers
    others = [tp for tp in consumer.positions if tp.topic == "p.gateways.alive"]
    assert GATEWAYS_ALIVE.partitions == len(others)


async def test_a_missing_topic_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its name in Kafka."""
    kafka = use(Kafka({POLICY_0: {0: 1}}), monkeypatch)
    with pytest.raises(LookupError, match=r"p\.calls"):
        await all_of(TailRequest((POLICY, CALLS)))
    assert not kafka.consumers[0].is_running


async def test_a_topic_of_a_derivation_is_read_under_its_own_prefix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beside one of the pipeline."""
    policy = TopicPartition("august.policy", 0)
    use(Kafka({POLICY_0: {0: 1}, policy: {0: 2}}), monkeypatch)
    found = await all_of(TailRequest((POLICY,), (replace(POLICY, name="august.policy"),)))
    assert [("p.policy", 1), ("august.policy", 2)] == [(r.topic, r.timestamp) for r in found]


async def test_following_continues_with_new_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """After those that exist, or from the present end. It ends some time after `until`."""
    now = [100_000.0]
    monkeypatch.setattr(reader, "time", SimpleNamespace(time=lambda: now[0] / 1_000))
    for only_new, expected in ((False, [10, 20, 30]), (True, [30])):
        kafka = use(Kafka({POLICY_0: {0: 10, 1: 20}}), monkeypatch)
        request = TailRequest((POLICY,), until=90_000, only_new=only_new, follow=True)
        now[0] = 90_000 + CLOCKS_APART_MS - 1
        found: list[int] = []
        async for records in read(SETTINGS, request):
            found += [each.timestamp for each in records]
            if 2 not in kafka.partitions[POLICY_0]:
                kafka.partitions[POLICY_0][2] = 30
            elif 30 in found:
                now[0] += 1
        assert expected == found


async def test_marks_of_transactions_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition may end in offsets without records."""
    kafka = Kafka({POLICY_0: {0: 10, 3: 20}}, {POLICY_0: 6})
    use(kafka, monkeypatch)
    assert [10, 20] == [each.timestamp for each in await all_of(TailRequest((POLICY,)))]
