"""The checkpoint topic in memory: its records, open transactions, and consumers of it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from bridge import checkpoints as module
from bridge.checkpoints import Checkpoints
from pipeline.kinesis.shard_ref import Incarnation, Place
from pipeline.runtime.kafka import partition_of
from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.records import BridgeCheckpoint, BridgePeriod
from schemas.topics import BRIDGE_CHECKPOINTS

STREAM = Incarnation("flex-events", 2)
NOW = 1_800_000_000_000


def place(shard_id: str, created_at: int = 2, name: str = "live") -> Place:
    """Return a place of the stream."""
    return Place(STREAM.kinesis_stream, created_at, shard_id, name)


def checkpoint(
    of: Place, *, finished: bool = False, at: int = NOW, arrived_at: int | None = None
) -> BridgeCheckpoint:
    """Return a checkpoint of a place."""
    return BridgeCheckpoint(
        of.name, of.kinesis_stream, of.created_at, of.shard_id, "7", finished, arrived_at, at, "b-0"
    )


def period(of: Place, begins_at: int | None = None, ends_at: int | None = None) -> BridgePeriod:
    """Return the period of a place without a shard."""
    return BridgePeriod(of.name, of.kinesis_stream, of.created_at, begins_at, ends_at, NOW, "b-0")


@dataclass
class Topic:
    """The partitions of the topic. `stable`: the end of what a read-committed consumer reads, of
    partitions with an open transaction."""

    partitions: dict[int, list[tuple[str, bytes | None]]] = field(
        default_factory=lambda: {n: [] for n in range(BRIDGE_CHECKPOINTS.partitions)}
    )
    stable: dict[int, int] = field(default_factory=dict)
    eager: list[int] = field(default_factory=list)

    def write(self, of: Place, record: BridgeCheckpoint | BridgePeriod | bytes | None) -> int:
        """Append a record of a place. Return its partition."""
        value = record if isinstance(record, bytes | None) else encode(record)
        number = partition_of(of.key.encode(), BRIDGE_CHECKPOINTS.partitions)
        self.partitions[number].append((of.key, value))
        return number


@dataclass
class Consumer:
    """A consumer of all partitions."""

    topic: Topic
    is_committed: bool
    positions: dict[int, int] = field(default_factory=dict)
    running: bool = False

    async def start(self) -> None:
        self.running = True

    async def stop(self) -> None:
        self.running = False

    def assign(self, tps: Any) -> None:
        self.positions = {tp.partition: 0 for tp in tps}

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("t", n) for n in self.positions}

    async def seek_to_beginning(self) -> None:
        self.positions = dict.fromkeys(self.positions, 0)

    async def end_offsets(self, tps: Any) -> dict[TopicPartition, int]:
        return {tp: self._end(tp.partition) for tp in tps}

    async def position(self, tp: TopicPartition) -> int:
        return self.positions[tp.partition]

    async def getmany(self, *, timeout_ms: int) -> dict[TopicPartition, Any]:
        self.topic.eager.append(timeout_ms)
        await asyncio.sleep(timeout_ms / 1000)
        found = {}
        for number, position in self.positions.items():
            records = self.topic.partitions[number][position : self._end(number)]
            found[TopicPartition("t", number)] = [
                SimpleNamespace(key=key.encode(), value=value) for key, value in records
            ]
            self.positions[number] = self._end(number)
        return found

    def _end(self, number: int) -> int:
        end = len(self.topic.partitions[number])
        return self.topic.stable.get(number, end) if self.is_committed else end


@contextmanager
def checkpoints_on(topic: Topic, on_news: Any = lambda: None) -> Iterator[Checkpoints]:
    """A table of the topic, not started."""

    def consumer(_: Settings, isolation_level: str = "read_committed") -> Consumer:
        return Consumer(topic, isolation_level == "read_committed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "consumer", consumer)
        yield Checkpoints(Settings(), on_news)
