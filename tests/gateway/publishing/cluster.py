"""Kafka, of which some partitions have no leader."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.errors import KafkaTimeoutError

from gateway.publishing.publisher import Publisher
from schemas import codec


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
