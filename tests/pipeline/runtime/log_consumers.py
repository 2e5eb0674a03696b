"""Partitions with records at given times, and consumers of them."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition

from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.records import Tick

TICK = encode(Tick(1))


@dataclass
class Kafka:
    """Partitions: the offsets of their records, each with its time (ms). Offsets without a record
    are marks of transactions. A consumer of it fetches at most `fetch` records."""

    partitions: dict[TopicPartition, dict[int, int]]
    ends: dict[TopicPartition, int] = field(default_factory=dict)
    fetch: int = 2
    values: dict[tuple[TopicPartition, int], bytes | None] = field(default_factory=dict)
    consumers: list["Consumer"] = field(default_factory=list)

    def consumer(self, _: Settings, **__: Any) -> "Consumer":
        self.consumers.append(Consumer(self))
        return self.consumers[-1]

    def record(self, partition: TopicPartition, offset: int) -> Any:
        """Return a record. Its value is a tick unless `values` has another."""
        return SimpleNamespace(
            topic=partition.topic, partition=partition, offset=offset, key=b"WT1",
            timestamp=self.partitions[partition][offset],
            value=self.values.get((partition, offset), TICK),
        )  # fmt: skip

    def end(self, partition: TopicPartition) -> int:
        return self.ends.get(partition, 1 + max(self.partitions[partition], default=-1))


@dataclass
class Consumer:
    """A consumer, as far as the log needs one."""

    kafka: Kafka
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    is_running: bool = False

    async def start(self) -> None:
        self.is_running = True

    async def stop(self) -> None:
        self.is_running = False

    async def topics(self) -> set[str]:
        return {partition.topic for partition in self.kafka.partitions}

    async def beginning_offsets(self, wanted: Any) -> Any:
        return {each: min(self.kafka.partitions[each], default=0) for each in wanted}

    async def end_offsets(self, wanted: Any) -> Any:
        return {each: self.kafka.end(each) for each in wanted}

    async def offsets_for_times(self, wanted: dict[TopicPartition, int]) -> Any:
        found = {}
        for partition, at in wanted.items():
            records = self.kafka.partitions[partition]
            later = [offset for offset, time in records.items() if time >= at]
            found[partition] = SimpleNamespace(offset=min(later)) if later else None
        return found

    def assign(self, partitions: Any) -> None:
        self.positions = dict.fromkeys(partitions, 0)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = offset

    async def position(self, partition: TopicPartition) -> int:
        return self.positions[partition]

    async def getmany(self, *wanted: TopicPartition, **_: Any) -> Any:
        """Return records of each wanted partition; without any, pass over the marks."""
        await asyncio.sleep(0)
        batches = {}
        for each in wanted:
            left = sorted(o for o in self.kafka.partitions[each] if o >= self.positions[each])
            batch = left[: self.kafka.fetch]
            batches[each] = [self.kafka.record(each, offset) for offset in batch]
            self.positions[each] = batch[-1] + 1 if batch else self.kafka.end(each)
        return batches
