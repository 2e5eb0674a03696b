"""Copy one shard from Kinesis to Kafka until it ends or another process takes it over."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Protocol, TypeVar

import structlog
from aiokafka.errors import KafkaError, ProducerFenced

from bridge.kinesis_reader import Batch
from bridge.metrics import BEHIND_MS, READ_AT_SECONDS
from bridge.unavailable import KinesisUnavailable, StreamAbsent
from pipeline.error_text import typed_error_text
from pipeline.kinesis.messages import Message, Portion, SizeLimits, portions
from pipeline.kinesis.period import ALWAYS, Period
from pipeline.kinesis.shard_ref import Incarnation, Place
from pipeline.runtime.telemetry import Health
from schemas.records import BridgeCheckpoint

log = structlog.get_logger(__name__)


FIRST_PAUSE = 0.5
LONGEST_PAUSE = 5.0
FENCED_PAUSE = 2.5
"""Longer than the group takes to report that another process has the shard now. Otherwise two
processes would fence each other in turn."""

EMPTY_READS_AT_END = 3
"""An emulator may return iterators for a closed shard without end. The shard is finished after this
many empty reads at its tip."""

T = TypeVar("T")


class Reader(Protocol):
    """The interface of `ShardReader`."""

    async def read(self) -> Batch:
        """Return the next records."""

    def close(self) -> None:
        """Release the reader."""


class BatchWriter(Protocol):
    """The interface of `ShardWriter`."""

    async def start(self) -> None:
        """Fence all other writers of the place."""

    async def write(self, messages: tuple[Message, ...], checkpoint: BridgeCheckpoint) -> None:
        """Write all of it, or nothing."""

    async def close(self) -> None:
        """Release the writer."""


class CarryEnd(Enum):
    """Why the copying of a shard ended."""

    FINISHED = "it is closed or its period is over, and it is read to its end"
    GONE = "its stream does not exist any more"
    STOPPED = "asked to stop"


@dataclass(frozen=True, slots=True)
class CarrierWorld:
    """The functions of the bridge that a shard calls."""

    instance: str
    health: Health
    settled: Callable[[], Coroutine[Any, Any, object]]
    """Returns once the leases are certain."""
    limits: Callable[[], Awaitable[SizeLimits]]
    writer: Callable[[Place, SizeLimits], BatchWriter]
    checkpoint: Callable[[Place], Awaitable[BridgeCheckpoint | None]]
    """Returns the place's checkpoint, up to date with all that was committed before the call."""
    reader: Callable[[Place, str | None, int | None], Awaitable[Reader]]
    """Takes the sequence number to read after, and the time (ms) to begin at without one."""
    incarnation: Callable[[], Awaitable[Incarnation]]
    """Returns the stream's present incarnation."""
    now: Callable[[], int]
    """Returns log time in ms."""
    pause: Callable[[float], Coroutine[Any, Any, object]] = asyncio.sleep


class ShardCarrier:
    """Copies one shard. Call `run`; set `stop` to end it between two transactions."""

    def __init__(self, world: CarrierWorld, place: Place, period: Period = ALWAYS) -> None:
        self.stop = asyncio.Event()
        self.closed = False
        """Whether ListShards shows the shard as closed. The caller keeps it up to date."""
        self._world = world
        self._place = place
        self._period = period
        self._failures = 0
        self._name = f"shard {place.shard_id}"
        self._log = log.bind(shard=place.shard_id, place=place.key)

    async def run(self) -> CarryEnd:
        """Copy the shard until its end, or until the carrier is stopped. Every failure is
        retried."""
        shard = self._place.shard_id
        READ_AT_SECONDS.labels(shard).set(self._world.now() / 1000)
        BEHIND_MS.labels(shard).set(0)
        try:
            while not self.stop.is_set():
                try:
                    end = await self._take_over()
                except Exception as error:  # noqa: BLE001 - one shard must not stop the others
                    await self._failed(error)
                else:
                    self._log.info("shard ended", why=end.value)
                    return end
            return CarryEnd.STOPPED
        finally:
            self._world.health.good(self._name)
            # The next stream of the name may already copy a shard of the same name.
            with suppress(KeyError):
                BEHIND_MS.remove(shard)
                READ_AT_SECONDS.remove(shard)

    async def _take_over(self) -> CarryEnd:
        """Take the shard over and copy it. Raise if it has to be taken over anew."""
        await self._unless_stopped(self._world.settled())
        if self.stop.is_set():
            return CarryEnd.STOPPED
        limits = await self._world.limits()
        writer = self._world.writer(self._place, limits)
        try:
            # The order matters. 1: fence all other writers of this shard; their transactions are
            # decided then. 2: read the checkpoint, which only this process can change from here on.
            await writer.start()
            checkpoint = await self._world.checkpoint(self._place)
            if checkpoint is not None and checkpoint.finished:
                return CarryEnd.FINISHED
            self._log.info("shard taken over", after=checkpoint and checkpoint.sequence_number)
            return await self._carry(writer, limits, checkpoint)
        finally:
            await writer.close()

    async def _carry(
        self, writer: BatchWriter, limits: SizeLimits, found: BridgeCheckpoint | None
    ) -> CarryEnd:
        checkpoint = found or self._beginning()
        begins_at = self._period.begins_at
        reader = await self._world.reader(self._place, checkpoint.sequence_number, begins_at)
        empty_reads = 0
        try:
            while (batch := await self._read(reader)) is not None:
                records = self._period.of(batch.records)
                carried = checkpoint.elements
                for portion in portions(self._place, records, limits, self._world.now(), carried):
                    checkpoint = self._at(checkpoint, portion)
                    await writer.write(portion.messages, checkpoint)
                    if self.stop.is_set():
                        return CarryEnd.STOPPED
                self._works()
                at_tip = self.closed and not batch.records and batch.behind_ms == 0
                empty_reads = empty_reads + 1 if at_tip else 0
                if self._is_read(batch) or empty_reads >= EMPTY_READS_AT_END:
                    await writer.write((), replace(checkpoint, finished=True, at=self._world.now()))
                    return CarryEnd.FINISHED
            return CarryEnd.STOPPED if self.stop.is_set() else CarryEnd.GONE
        finally:
            reader.close()

    def _is_read(self, batch: Batch) -> bool:
        return batch.ended or self._period.is_over(
            batch.records, batch.behind_ms, self._world.now()
        )

    def _beginning(self) -> BridgeCheckpoint:
        return BridgeCheckpoint(
            name=self._place.name,
            kinesis_stream=self._place.kinesis_stream,
            stream_created_at=self._place.created_at,
            shard_id=self._place.shard_id,
            sequence_number=None,
            finished=False,
            arrived_at=None,
            at=self._world.now(),
            instance=self._world.instance,
        )

    def _at(self, checkpoint: BridgeCheckpoint, portion: Portion) -> BridgeCheckpoint:
        reached = replace(
            checkpoint,
            elements=portion.elements,
            at=self._world.now(),
            instance=self._world.instance,
        )
        if (last := portion.last) is None:
            return reached
        return replace(reached, sequence_number=last.sequence_number, arrived_at=last.arrived_at)

    async def _read(self, reader: Reader) -> Batch | None:
        """Return the next batch; None if `stop` is set or the stream is now another one."""
        while True:
            try:
                batch = await self._unless_stopped(reader.read())
            except KinesisUnavailable as error:
                await self._failed(error)
            else:
                self._note(batch)
                return batch
            # Sequence numbers and iterators of one stream have no meaning in the next one of its
            # name, but many are valid there. So first make sure which stream answers.
            if not await self._still_there():
                return None

    def _note(self, batch: Batch | None) -> None:
        if batch is not None:
            BEHIND_MS.labels(self._place.shard_id).set(batch.behind_ms)
            READ_AT_SECONDS.labels(self._place.shard_id).set(self._world.now() / 1000)

    async def _still_there(self) -> bool:
        while not self.stop.is_set():
            try:
                return await self._world.incarnation() == self._place.incarnation
            except StreamAbsent:
                return False
            except KinesisUnavailable as error:
                await self._failed(error)
        return False

    def _works(self) -> None:
        if self._failures:
            self._failures = 0
            self._world.health.good(self._name)

    async def _failed(self, error: Exception) -> None:
        """Report the failure, and wait. The wait grows with each failure in a row."""
        self._failures += 1
        self._world.health.bad(self._name, typed_error_text(error))
        expected = isinstance(error, KafkaError | KinesisUnavailable | TimeoutError)
        self._log.warning(
            "a shard cannot be copied; trying again",
            error=repr(error),
            failures=self._failures,
            exc_info=not expected,
        )
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures - 1, 10))
        if isinstance(error, ProducerFenced):
            pause = max(pause, FENCED_PAUSE)
        await self._unless_stopped(self._world.pause(pause))

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Return the result of `work`. If `stop` is set before, cancel it and return None."""
        if self.stop.is_set():  # needed if `work` never waits
            work.close()
            return None
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self.stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            for task in (working, stopping):
                task.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)
