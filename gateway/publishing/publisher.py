"""Publish records to Kafka without blocking the caller.

Order: a partition's records reach Kafka in the order of `publish`. Each partition waits by itself:
one without a leader holds back its own records only. The producer is idempotent and retries in
order. If it gives up nevertheless, it is discarded, and a new one sends all unacknowledged records
again, in order. A record may then be in Kafka twice.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaProducer

from gateway.metrics import BUFFERED_BYTES
from gateway.publishing.lanes import PublishLane, PublishLanes
from gateway.publishing.spill import Spills
from gateway.publishing.spooler import STALLED_S, Pager
from gateway.publishing.writer import Writer
from pipeline.media.regular import written
from schemas import codec
from schemas.records import MediaBatch

BUFFER_BYTES = 64 * 1024 * 1024
BATCH_BYTES = 16 * 1024
"""Upper limit of the size of an encoded `MediaBatch`."""


class Publisher:
    """Buffers records and sends them. `run` must be running for records to reach Kafka.

    `limit`: bytes of records in memory. `spills`: the disk for records that Kafka does not accept;
    None: no disk is used. `clock`: monotonic, s.
    """

    def __init__(
        self,
        make_producer: Callable[[], AIOKafkaProducer],
        *,
        limit: int = BUFFER_BYTES,
        spills: Spills | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._lanes = PublishLanes(limit, spills, clock)
        self._writer = Writer(make_producer, self._lanes, clock)
        wake = self._writer.make_ready
        self._pager = (
            Pager(self._lanes.all, spills, limit, clock, wake) if spills is not None else None
        )
        self._stopping = asyncio.Event()
        self._begun_at = clock()

    def publish(
        self,
        topic: str,
        key: bytes | None,
        record: Any,
        *,
        partition: int | None = None,
        droppable: bool = False,
    ) -> bool:
        """Put a record into the buffer and return at once. Return False if the record is
        `droppable` and the buffer is full; the caller must then count it in `DROPPED`."""
        lane = self._lane(topic, key, partition)
        value = _encoded(record)
        if droppable and not self._lanes.has_room(lane, len(value), STALLED_S):
            return False
        lane.outbox.put(topic, key, value, at=self._clock(), partition=lane.partition)
        self._writer.empty.clear()
        self._writer.make_ready(lane)
        BUFFERED_BYTES.set(self._lanes.room.used)
        return True

    def waiting_for(self) -> float:
        """Return how long (s) the oldest record has been unacknowledged; 0 if there is none."""
        now = self._clock()
        return max((lane.waiting_for(now) for lane in self._lanes), default=0.0)

    def waiting_at(self, topic: str, partition: int) -> float:
        """Return how long (s) the oldest record of a partition has been unacknowledged."""
        return self._lanes.at(topic, partition).waiting_for(self._clock())

    def stalled(self, seconds: float) -> list[tuple[str, int, float]]:
        """Return topic, partition and waiting time (s) of the partitions with a record that has
        been unacknowledged for more than `seconds`."""
        now = self._clock()
        waiting = [(each.topic, each.partition, each.waiting_for(now)) for each in self._lanes]
        return [found for found in waiting if found[2] > seconds]

    def silent_for(self) -> float:
        """Return the seconds since Kafka last acknowledged a record on any partition, or since the
        start if it has acknowledged none."""
        return self._clock() - (self._writer.acknowledged_at or self._begun_at)

    @property
    def was_acknowledged(self) -> bool:
        """Whether Kafka has ever acknowledged a record."""
        return self._writer.acknowledged_at is not None

    def filled(self) -> float:
        """Return how full the buffer or the disk is, 0 to 1, the greater of the two. Records that
        are not droppable can make it exceed 1 a little."""
        buffer = self._lanes.room.filled()
        return buffer if self._pager is None else max(buffer, self._pager.filled())

    def has_room(self, topic: str, key: bytes) -> bool:
        """Return whether `publish` would accept a batch for this key now."""
        return self._lanes.has_room(self._lanes.of_key(topic, key), BATCH_BYTES, STALLED_S)

    @property
    def why_full(self) -> str:
        """The reason to give for batches that are dropped now."""
        return "buffer-full" if self._pager is None else self._pager.why_full

    @property
    def trouble(self) -> str | None:
        """The fault of the disk, None if there is none."""
        return None if self._pager is None else self._pager.trouble

    async def flushed(self, seconds: float) -> bool:
        """Wait until all records are acknowledged. Return False if they are not after `seconds`."""
        if self._lanes:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._writer.empty.wait()
        return not self._lanes

    async def run(self) -> None:
        """Send records until `stop`. Then write the unacknowledged ones to the disk, if there is
        one."""
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(self._writer.run(), name="producer")
            if self._pager is not None:
                tasks.create_task(self._pager.run(), name="pager")
            await self._stopping.wait()
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
            if self._pager is not None:
                self._pager.stop()

    def stop(self) -> None:
        """Make `run` end."""
        self._stopping.set()

    def _lane(self, topic: str, key: bytes | None, partition: int | None) -> PublishLane:
        lanes = self._lanes
        return lanes.of_key(topic, key) if partition is None else lanes.at(topic, partition)


def _encoded(record: Any) -> bytes:
    regular = written(record) if type(record) is MediaBatch else None
    return codec.encode(record) if regular is None else regular
