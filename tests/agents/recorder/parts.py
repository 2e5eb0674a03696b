"""Parts of a recorder without Kafka: records, a producer, consumers, and a store that fails."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition

from agents.recorder.effects import Effects
from agents.recorder.work import Work
from pipeline.recordings.partition import PartitionFold
from pipeline.runtime.log_clock import machine_clock
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from pipeline.store.audio import AudioStore
from schemas.codec import decode, encode
from schemas.records import RecorderCheckpoint
from tests.pipeline.recordings.logs import T0, Frame, batch_of, closed, opened, payload

FRAMES = [Frame("inbound", 100 + 20 * n, payload(n, 160)) for n in range(50)]


@dataclass(frozen=True)
class FakeMessage:
    """A record as aiokafka gives it."""

    value: bytes = b"bytes"
    key: bytes | None = b"WT1"
    topic: str = "media"
    partition: int = 3
    offset: int = 7
    timestamp: int = T0


@dataclass
class FakeProducer:
    """Keeps the records that it is given; fails a given number of times."""

    sent: list[tuple[str, Any]] = field(default_factory=list)
    failures: Iterator[Exception] = field(default_factory=lambda: iter(()))

    async def send_and_wait(self, topic: str, value: bytes | None, **more: Any) -> None:
        """Acknowledged, or not."""
        for failure in self.failures:
            raise failure
        self.sent.append((topic, None if value is None else decode(value)))


def story() -> list[Work]:
    """The effects of a recording with several segments."""
    fold, work = PartitionFold(), []
    batches = [batch_of("MZ1", 1 + n, FRAMES[5 * n : 5 * n + 5]) for n in range(10)]
    for offset, record in enumerate([opened("MZ1"), *batches, closed("MZ1")]):
        work += [Work(e, FakeMessage(offset=offset)) for e in fold.handle(record, offset, T0)]
    return work


def effects_on(store: AudioStore, producer: FakeProducer, health: Health) -> Effects:
    """Return the effects of a recorder with the topic prefix "t."."""
    return Effects(Settings(topic_prefix="t."), health, store, producer, machine_clock)


def of_kind(work: Sequence[Work], kind: type) -> list[Any]:
    """The effects of a kind."""
    return [item.effect for item in work if isinstance(item.effect, kind)]


def messages(sid: str, first: int, last: int, partition: int, offset: int = 0) -> list[FakeMessage]:
    """Records `first` to `last` of the 12 of a recording with several segments."""
    batches = [batch_of(sid, 1 + n, FRAMES[5 * n : 5 * n + 5]) for n in range(10)]
    records = list(enumerate([opened(sid), *batches, closed(sid)], offset))
    return [
        FakeMessage(encode(record), partition=partition, offset=at)
        for at, record in records[first:last]
    ]


async def no_checkpoints(
    _: Settings, partitions: Sequence[int], __: object
) -> dict[int, list[RecorderCheckpoint]]:
    """All were read, and there are none."""
    return {number: [] for number in partitions}


class FakeConsumer:
    """A rebalance takes place while the first call waits for records; that call then gives all the
    records of the new assignment."""

    tp = TopicPartition("media", 3)

    def __init__(self, records: Sequence[FakeMessage], ended: asyncio.Event) -> None:
        self.records = records
        self.ended = ended
        self.listener: Any = None
        self.calls = 0

    def subscribe(self, _: Sequence[str], listener: Any) -> None:
        """Keep the listener, which is notified of rebalances."""
        self.listener = listener

    async def start(self) -> None:
        """The first assignment."""
        await self.listener.on_partitions_assigned({self.tp})

    async def stop(self) -> None:
        """Nothing to do."""

    def assignment(self) -> set[TopicPartition]:
        """The one partition."""
        return {self.tp}

    async def commit(self, _: Mapping[TopicPartition, int]) -> None:
        """Taken."""

    async def committed(self, _: TopicPartition) -> int | None:
        """Nothing was committed before."""

    def highwater(self, _: TopicPartition) -> int | None:
        """Not known."""

    async def getmany(self, **_: Any) -> dict[TopicPartition, Sequence[FakeMessage]]:
        """Each record once."""
        self.calls += 1
        if self.calls > 1:
            self.ended.set()
            return {}
        await self.listener.on_partitions_revoked({self.tp})
        await self.listener.on_partitions_assigned({self.tp})
        return {self.tp: self.records}


class Rounds(FakeConsumer):
    """Gives rounds of records of two partitions; after the first, a file is deleted."""

    def __init__(
        self,
        rounds: Sequence[Mapping[TopicPartition, Sequence[FakeMessage]]],
        ended: asyncio.Event,
        deleted: Path,
        health: Health,
    ) -> None:
        super().__init__([], ended)
        self.rounds = rounds
        self.deleted = deleted
        self.health = health
        self.paused: list[TopicPartition] = []
        self.offsets: dict[TopicPartition, int] = {}
        self.reasons: dict[str, str] = {}

    def assignment(self) -> set[TopicPartition]:
        """Both."""
        return {tp for messages in self.rounds for tp in messages}

    def pause(self, *tps: TopicPartition) -> None:
        """Noted."""
        self.paused += tps

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Kept."""
        self.offsets |= offsets

    async def getmany(self, **_: Any) -> Mapping[TopicPartition, Sequence[FakeMessage]]:
        """A round."""
        self.calls += 1
        if self.calls == 2:
            self.deleted.unlink()
        if self.calls > len(self.rounds):
            self.reasons = self.health.reasons
            self.ended.set()
            return {}
        return self.rounds[self.calls - 1]
