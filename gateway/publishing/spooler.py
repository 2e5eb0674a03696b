"""Move records that Kafka does not take to disk and back (`send_queue`, `spill`).

Disk access runs in threads.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import structlog

from gateway.metrics import SPILL_BYTES, SPILL_FAILURES, SPILLED_BYTES
from gateway.publishing.lanes import PublishLane
from gateway.publishing.send_queue import Item
from gateway.publishing.spill import Spill, Spills

log = structlog.get_logger(__name__)

STALLED_S = 1.0
"""A record unacknowledged for this long is copied to disk, in case the process is killed."""
MOST_AHEAD_BYTES = 8 * 1024 * 1024
"""Records in flight and waiting may have this size in memory, or a quarter of the buffer if that is
less."""
CHUNK_BYTES = 4 * 1024 * 1024
PAUSE_S = 0.05
AFTER_FAILURE_S = 1.0


class Pager:
    """Owns the spill. `lanes`: returns the partitions' queues. `memory`: size of the buffer in
    bytes. `wake` is called with a lane that has records to send again."""

    def __init__(
        self,
        lanes: Callable[[], Sequence[PublishLane]],
        spills: Spills,
        memory: int,
        clock: Callable[[], float],
        wake: Callable[[PublishLane], None],
    ) -> None:
        self._lanes = lanes
        self._spills = spills
        self._clock = clock
        self._wake = wake
        self._stopping = asyncio.Event()
        self._most_ahead = min(MOST_AHEAD_BYTES, memory // 4)
        self._chunk = min(CHUNK_BYTES, self._most_ahead)
        self.trouble: str | None = None

    @property
    def is_full(self) -> bool:
        """Whether nothing more can be written: the limit is reached or the disk fails."""
        return self._spills.is_full or self.trouble is not None

    @property
    def why_full(self) -> str:
        """The reason to give for dropped batches."""
        return "spill-full" if self.trouble is None else "spill-failed"

    def filled(self) -> float:
        """Return how full the spill is, 0 to 1; 1 if the disk fails."""
        return 1.0 if self.trouble else self._spills.filled()

    async def run(self) -> None:
        """Work until `stop`. Then write everything in memory that Kafka has not taken to disk, for
        the next process of this name."""
        if self._spills.size:
            log.warning("an earlier process left audio on disk", bytes=self._spills.size)
        while not self._stopping.is_set():
            busy = False
            for lane in self._lanes():
                busy |= await self._step(lane)
            SPILL_BYTES.set(self._spills.size)
            if not busy:
                with suppress(TimeoutError):
                    async with asyncio.timeout(PAUSE_S):
                        await self._stopping.wait()
        for lane in self._lanes():
            await self._keep_rest(lane)
        if self._spills.size:
            log.warning(
                "Kafka has not accepted all records: the next process with this name sends them",
                bytes=self._spills.size,
            )
        await asyncio.to_thread(self._spills.close)

    def stop(self) -> None:
        """Make `run` end."""
        self._stopping.set()

    async def _step(self, lane: PublishLane) -> bool:
        """Page the lane out and in as needed. Return whether there may be more to do at once."""
        outbox = lane.outbox
        if not outbox.is_paging and self._is_due(lane):
            await self._begin(lane)
        busy = False
        if outbox.is_paging:
            busy = await self._write(lane)
            busy |= await self._read(lane)
            if not self._is_stalled(lane) and outbox.rejoin():
                log.info("Kafka accepts records again", topic=lane.topic, partition=lane.partition)
                self._wake(lane)
        spill = self._spill(lane)
        if spill.size:
            await asyncio.to_thread(spill.forget, outbox.first_needed())
        return busy

    def _spill(self, lane: PublishLane) -> Spill:
        return self._spills.of(lane.topic, lane.partition)

    def _is_due(self, lane: PublishLane) -> bool:
        return self._is_stalled(lane) or self._is_too_much(lane)

    def _is_too_much(self, lane: PublishLane) -> bool:
        """Return whether the lane has more bytes in flight and waiting than its share."""
        ahead = lane.outbox.ahead
        if ahead * len(self._lanes()) <= self._most_ahead:
            return False
        sizes = [size for each in self._lanes() if (size := each.outbox.ahead)]
        return sum(sizes) > self._most_ahead and ahead * len(sizes) >= sum(sizes)

    def _is_stalled(self, lane: PublishLane) -> bool:
        oldest = lane.outbox.oldest()
        return oldest is not None and self._clock() - oldest > STALLED_S

    async def _begin(self, lane: PublishLane) -> None:
        log.warning(
            "Kafka accepts no records: writing them to disk",
            topic=lane.topic,
            partition=lane.partition,
            bytes=lane.outbox.size,
        )
        in_flight = lane.outbox.in_flight()
        lane.outbox.page()
        await self._written(lane, in_flight)

    async def _write(self, lane: PublishLane) -> bool:
        if self._spills.is_full:
            return False
        items = lane.outbox.leave(self._chunk)
        if not items:
            return False
        if await self._written(lane, items):
            lane.outbox.left()
            return True
        lane.outbox.stayed()
        await asyncio.sleep(AFTER_FAILURE_S)
        return False

    async def _written(self, lane: PublishLane, items: list[Item]) -> bool:
        try:
            await asyncio.to_thread(self._spill(lane).write, items)
        except OSError as error:
            SPILL_FAILURES.inc()
            self.trouble = f"{self._spills} cannot be written: {error.strerror}"
            log.warning("cannot write the spill", error=repr(error))
            return False
        self.trouble = None
        SPILLED_BYTES.inc(sum(len(item.value) for item in items))
        return True

    async def _read(self, lane: PublishLane) -> bool:
        outbox = lane.outbox
        if not outbox.has_paged or self._is_too_much(lane):
            return False
        spill = self._spill(lane)
        try:
            items = await asyncio.to_thread(spill.read, self._chunk)
        except OSError as error:
            self.trouble = f"{self._spills} cannot be read: {error.strerror}"
            log.warning("cannot read the spill", error=repr(error))
            await asyncio.sleep(AFTER_FAILURE_S)
            return False
        if not items:
            log.error("the spill ends too early: the last write was incomplete, records are lost")
            outbox.gave_up()
            return False
        now, left_over = self._clock(), spill.left_over
        outbox.came_back(
            replace(item, put_at=now) if item.number <= left_over else item for item in items
        )
        self._wake(lane)
        return True

    async def _keep_rest(self, lane: PublishLane) -> None:
        if lane.outbox:
            if not lane.outbox.is_paging:
                await self._begin(lane)
            while await self._write(lane):
                pass
        await asyncio.to_thread(self._spill(lane).forget, lane.outbox.first_needed())
