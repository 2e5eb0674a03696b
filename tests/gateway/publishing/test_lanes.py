"""A partition that Kafka does not take makes only its own calls wait."""

import asyncio
from collections import defaultdict
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.publishing.publisher import Publisher
from gateway.publishing.spill import Spills
from schemas import codec
from schemas.records import Tick
from schemas.topics import CALL_PARTITIONS
from tests.examples import examples
from tests.gateway.publishing.cluster import Cluster, Producer, running
from tests.virtual_time import virtually


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
    """For any times of publishing, and for leaders that come and go at any time."""

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
