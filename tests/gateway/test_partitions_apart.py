"""A partition that Kafka does not take makes only its own calls wait."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaError, KafkaTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.publishing.outlets import Outlets, is_cut_off, show_kafka
from gateway.publishing.publisher import Publisher
from gateway.publishing.spill import Spills
from pipeline.runtime.telemetry import Health
from schemas import codec
from schemas.records import Tick
from schemas.topics import CALL_PARTITIONS
from tests.examples import examples
from tests.virtual_time import virtually


class Cluster:
    """Kafka, of which some partitions have no leader; what each has got."""

    def __init__(self, leaderless: Iterable[int] = ()) -> None:
        self.leaderless = set(leaderless)
        self.log: defaultdict[int, list[int]] = defaultdict(list)
        self.producers = 0
        self.most_buffered = 2

    def producer(self) -> "Producer":
        """One more."""
        self.producers += 1
        return Producer(self)

    def elect(self) -> None:
        """All partitions have a leader from now on."""
        self.leaderless = set()


class Producer:
    """A producer that buffers two records for a partition without a leader, and then lets `send`
    wait, as aiokafka does."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._buffered: defaultdict[int, list[tuple[int, asyncio.Future[None]]]] = defaultdict(list)

    async def start(self) -> None:
        """Begin."""

    async def stop(self) -> None:
        """End."""

    async def send(self, _: str, value: bytes, *, key: Any, partition: int) -> Any:
        """Take a record."""
        waited = 0.0
        while len(self._buffered[partition]) >= self._cluster.most_buffered:
            if waited >= 10:
                raise KafkaTimeoutError
            await asyncio.sleep(0.1)
            waited += 0.1
            self._deliver(partition)
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffered[partition].append((codec.decode(value).at, answer))
        self._deliver(partition)
        return answer

    def _deliver(self, partition: int) -> None:
        if partition in self._cluster.leaderless:
            asyncio.get_running_loop().call_later(0.1, self._deliver, partition)
            return
        for at, answer in self._buffered.pop(partition, []):
            self._cluster.log[partition].append(at)
            if not answer.done():
                answer.set_result(None)


@asynccontextmanager
async def running(publisher: Publisher) -> AsyncIterator[None]:
    """Its writer runs."""
    task = asyncio.create_task(publisher.run())
    try:
        yield
    finally:
        publisher.stop()
        await task


def test_the_other_partitions_get_everything_at_once() -> None:
    """Though the one takes nothing for a minute; then it gets all, in order, by the same
    producer."""

    async def scene() -> None:
        cluster = Cluster({5})
        clock = asyncio.get_running_loop().time
        publisher = Publisher(cluster.producer, clock=clock)
        async with running(publisher):
            for at in range(60):
                for partition in range(CALL_PARTITIONS):
                    assert publisher.publish("media", b"k", Tick(at), partition=partition)
                await asyncio.sleep(1)
                assert cluster.log[4] == list(range(at + 1))
            assert [("media", 5)] == [found[:2] for found in publisher.stalled(10)]
            assert publisher.silent_for() < 2
            assert not cluster.log[5]
            cluster.elect()
            assert await publisher.flushed(30)
        assert cluster.log[5] == list(range(60))
        assert cluster.producers == 1

    virtually(scene())


@settings(max_examples=examples(20), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=60), st.integers(0, 60))
def test_each_partition_s_order_stays(steps: list[tuple[int, int]], elected_at: int) -> None:
    """Whatever is published when, and whenever leaders come and go."""

    async def scene() -> None:
        cluster = Cluster()
        publisher = Publisher(cluster.producer, clock=asyncio.get_running_loop().time)
        expected: defaultdict[int, list[int]] = defaultdict(list)
        async with running(publisher):
            for number, (partition, lost) in enumerate(steps):
                cluster.leaderless = set() if number == elected_at else cluster.leaderless | {lost}
                publisher.publish("media", b"k", Tick(number), partition=partition)
                expected[partition].append(number)
                await asyncio.sleep(lost)
            cluster.elect()
            assert await publisher.flushed(60)
        assert {p: log for p, log in cluster.log.items() if log} == expected

    virtually(scene())


async def test_only_the_stuck_partition_goes_to_disk(tmp_path: Path) -> None:
    """And comes back from there in order."""
    cluster = Cluster({5})
    spills = Spills(tmp_path, 10**6)
    publisher = Publisher(cluster.producer, spills=spills)
    async with running(publisher):
        for at in range(40):
            for partition in (4, 5):
                publisher.publish("media", b"k", Tick(at), partition=partition)
            await asyncio.sleep(0.05)
        assert cluster.log[4] == list(range(40))
        assert spills.of("media", 5).size
        assert not spills.of("media", 4).size
        cluster.elect()
        assert await publisher.flushed(10)
    assert cluster.log[5] == list(range(40))


def test_a_stuck_partition_leaves_memory_to_the_others() -> None:
    """Its batches are dropped before those of the others; without others, none is kept free."""

    async def scene() -> None:
        cluster = Cluster({5})
        size = len(codec.encode(Tick(100)))
        publisher = Publisher(
            cluster.producer, limit=40 * size, clock=asyncio.get_running_loop().time
        )
        async with running(publisher):
            taken = 0
            for _ in range(200):
                publisher.publish("media", b"k", Tick(100), partition=4)
                taken += publisher.publish("media", b"", Tick(100), partition=5, droppable=True)
                assert publisher.publish("media", b"", Tick(100), partition=4, droppable=True)
                await asyncio.sleep(0.2)
            assert 28 <= taken <= 30
            publisher_full = [
                publisher.publish("media", b"", Tick(100), partition=5, droppable=True)
                for _ in range(20)
            ]
            assert sum(publisher_full) >= 10 - 1

    virtually(scene())


def _publish_everywhere(outlets: Outlets[Publisher], at: int) -> None:
    for outlet, topic in zip(outlets, ("media", "events"), strict=True):
        for partition in range(CALL_PARTITIONS):
            if outlet.waiting_at(topic, partition) < 2:
                outlet.publish(topic, None, Tick(at), partition=partition)


@pytest.mark.parametrize(
    ("media", "events", "red"),
    [
        (set(), set(), False),
        ({3}, set(), False),
        (set(), {3, 4}, False),
        (set(range(24)), set(), True),
        (set(range(24)), set(range(24)), True),
    ],
)
def test_health_is_bad_only_if_no_audio_is_taken(
    media: set[int], events: set[int], red: bool
) -> None:
    """A partition or two without a leader are a warning that names them."""

    async def scene() -> None:
        clock = asyncio.get_running_loop().time
        clusters = Cluster(media), Cluster(events)
        outlets = Outlets(*(Publisher(each.producer, clock=clock) for each in clusters))
        health = Health()
        async with running(outlets.media), running(outlets.events):
            for at in range(9):
                _publish_everywhere(outlets, at)
                await asyncio.sleep(2)
            show_kafka(health, outlets)
            assert is_cut_off(outlets) == red == bool(health.reasons)
            warning = health.warnings.get("kafka-partitions", "")
            assert bool(warning) == bool(media | events)
            if media == {3}:
                assert "media 3 for" in warning
            for cluster in clusters:
                cluster.elect()
            await asyncio.sleep(30)
            show_kafka(health, outlets)
            assert not health.reasons
            assert not health.warnings

    virtually(scene())


async def test_what_a_producer_raises_ends_only_the_producer() -> None:
    """The next one sends everything."""

    class Broken(Producer):
        async def send(self, *_: Any, **__: Any) -> Any:
            await asyncio.sleep(0)
            raise KafkaError

    cluster = Cluster()
    producers = [Broken(cluster), Producer(cluster)]
    publisher = Publisher(lambda: producers.pop(0))  # type: ignore[arg-type,return-value]
    async with running(publisher):
        for at in range(5):
            publisher.publish("media", b"k", Tick(at), partition=at % 2)
        assert await publisher.flushed(5)
    assert cluster.log == {0: [0, 2, 4], 1: [1, 3]}
