"""Kafka and Kinesis in memory, with the behaviour that the bridge depends on."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiokafka.errors import KafkaError, ProducerFenced

from bridge.kinesis_reader import Batch
from bridge.shard_carrier import CarrierWorld
from bridge.unavailable import KinesisUnavailable, StreamAbsent
from pipeline.kinesis.messages import KinesisRecord, Message, SizeLimits
from pipeline.kinesis.shard_ref import Incarnation, Place
from pipeline.runtime.log_clock import machine_clock
from pipeline.runtime.telemetry import Health
from schemas.records import BridgeCheckpoint

Fate = Callable[[str], str]
"""What happens at a named moment: "" all goes well, else what goes wrong. "slow" goes well, but
others come between."""


@dataclass
class FakeKafka:
    """Transactions that happen at once, and fencing by epochs."""

    epochs: dict[str, int] = field(default_factory=dict)
    log: list[Message] = field(default_factory=list)
    checkpoints: dict[str, BridgeCheckpoint] = field(default_factory=dict)
    open_writers: int = 0


class FakeWriter:
    """A `Writer` on a `FakeKafka`."""

    def __init__(self, kafka: FakeKafka, place: Place, fate: Fate) -> None:
        self._kafka = kafka
        self._place = place
        self._fate = fate
        self._epoch = -1
        kafka.open_writers += 1

    async def start(self) -> None:
        """A new epoch; may fail before or after it is taken."""
        fate = self._fate("start")
        await asyncio.sleep(0)
        if fate == "before":
            raise TimeoutError
        key = self._place.transactional_id
        self._epoch = self._kafka.epochs[key] = self._kafka.epochs.get(key, 0) + 1
        await asyncio.sleep(0)
        if fate == "after":
            raise TimeoutError

    async def write(self, messages: tuple[Message, ...], checkpoint: BridgeCheckpoint) -> None:
        """Write in a transaction. It may fail before or after the commit, which the caller cannot
        distinguish."""
        fate = self._fate("write")
        await asyncio.sleep(0)
        if self._epoch != self._kafka.epochs[self._place.transactional_id]:
            raise ProducerFenced
        if fate == "before":
            raise KafkaError("lost")
        self._kafka.log += messages
        self._kafka.checkpoints[self._place.key] = checkpoint
        if fate == "after":
            raise TimeoutError

    async def close(self) -> None:
        """Release the writer."""
        self._kafka.open_writers -= 1


class FakeReader:
    """A `Reader` of a stream's records, two at a time."""

    def __init__(self, kinesis: "FakeKinesis", position: str | None, fate: Fate) -> None:
        self._kinesis = kinesis
        self._records = kinesis.records
        self._position = int(position or 0)
        self._fate = fate
        kinesis.open_readers += 1

    async def read(self) -> Batch:
        """The next two; the shard's end with the last."""
        fate = self._fate("read")
        await asyncio.sleep(0)
        if fate in ("before", "after"):
            raise KinesisUnavailable("no answer")
        found = [r for r in self._records if int(r.sequence_number) > self._position][:2]
        if found:
            self._position = int(found[-1].sequence_number)
        at_end = self._position >= int(self._records[-1].sequence_number)
        kinesis = self._kinesis
        return Batch(tuple(found), kinesis.behind_ms, ended=at_end and not kinesis.endless)

    def close(self) -> None:
        """Release the reader."""
        self._kinesis.open_readers -= 1


@dataclass
class FakeKinesis:
    """A stream of one shard that is closed. `endless`: as an emulator, which never says so.
    `read_from`: the position and the time that each reader was asked to begin at."""

    records: list[KinesisRecord]
    incarnation: Incarnation | None
    endless: bool = False
    behind_ms: int = 0
    open_readers: int = 0
    read_from: list[tuple[str | None, int | None]] = field(default_factory=list)


def world(kafka: FakeKafka, kinesis: FakeKinesis, fate: Fate, health: Health) -> CarrierWorld:
    """A `CarrierWorld` of fakes, in which no pause takes time."""

    async def settled() -> None:
        await asyncio.sleep(0)

    async def limits() -> SizeLimits:
        return SizeLimits(portion_messages=1)

    async def checkpoint(place: Place) -> BridgeCheckpoint | None:
        found = kafka.checkpoints.get(place.key)
        for _ in range(20 if fate("checkpoint") == "slow" else 1):
            await asyncio.sleep(0)
        return found

    async def reader(_: Place, position: str | None, begins_at: int | None) -> FakeReader:
        kinesis.read_from.append((position, begins_at))
        return FakeReader(kinesis, position, fate)

    async def incarnation() -> Incarnation:
        if kinesis.incarnation is None:
            raise StreamAbsent("no such stream")
        return kinesis.incarnation

    pause: Callable[[float], Awaitable[object]] = lambda _: asyncio.sleep(0)  # noqa: E731
    return CarrierWorld(
        instance="bridge-0",
        health=health,
        settled=settled,
        limits=limits,
        writer=lambda place, _: FakeWriter(kafka, place, fate),
        checkpoint=checkpoint,
        reader=reader,
        incarnation=incarnation,
        now=machine_clock,
        pause=pause,  # type: ignore[arg-type]
    )
