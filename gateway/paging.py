"""Moves what waits for Kafka to disk and back (`gateway.outbox`, `gateway.spill`), in a thread."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import structlog
from prometheus_client import Counter, Gauge

from gateway.outbox import Item, Outbox
from gateway.spill import Spill

log = structlog.get_logger(__name__)

STALLED_S = 1.0
"""What waits for Kafka's word that long is copied to disk, against a kill."""
MOST_AHEAD_BYTES = 8 * 1024 * 1024
"""More than this, or a quarter of the buffer, does not wait in memory for its turn to be sent."""
CHUNK_BYTES = 4 * 1024 * 1024
PAUSE_S = 0.05
AFTER_FAILURE_S = 1.0

SPILLED = Counter("flexcapture_gateway_spilled_bytes", "Bytes moved to the spill on disk")
ON_DISK = Gauge("flexcapture_gateway_spill_bytes", "Bytes of the spill's files")
FAILURES = Counter("flexcapture_gateway_spill_failures", "Writes to the spill that failed")


class Pager:
    """Owns the spill. `wake`: called when there is something to send."""

    def __init__(
        self, outbox: Outbox, spill: Spill, clock: Callable[[], float], wake: Callable[[], None]
    ) -> None:
        self._outbox = outbox
        self._spill = spill
        self._clock = clock
        self._wake = wake
        self._stopping = asyncio.Event()
        self._most_ahead = min(MOST_AHEAD_BYTES, outbox.limit // 4)
        self._chunk = min(CHUNK_BYTES, self._most_ahead)
        self.trouble: str | None = None

    @property
    def is_full(self) -> bool:
        """Whether nothing more can be written: the limit is reached, or the disk fails."""
        return self._spill.is_full or self.trouble is not None

    @property
    def why_full(self) -> str:
        """As a reason for what is thrown away."""
        return "spill-full" if self.trouble is None else "spill-failed"

    def filled(self) -> float:
        """How full the disk's share is, 0 to 1."""
        return 1.0 if self.trouble else self._spill.filled()

    async def run(self) -> None:
        """Works until `stop`; then everything in memory that Kafka has not taken is written, for
        the next process of this name."""
        if self._spill.left_over:
            log.warning("an earlier process left audio", bytes=self._spill.size)
        while not self._stopping.is_set():
            busy = await self._step()
            if not busy:
                with suppress(TimeoutError):
                    async with asyncio.timeout(PAUSE_S):
                        await self._stopping.wait()
        await self._keep_rest()
        await asyncio.to_thread(self._spill.forget, self._outbox.first_needed())
        await asyncio.to_thread(self._spill.close)

    def stop(self) -> None:
        """Has `run` end."""
        self._stopping.set()

    async def _step(self) -> bool:
        """Returns whether there may be more to do at once."""
        outbox = self._outbox
        if not outbox.is_paging and self._is_due():
            await self._begin()
        busy = False
        if outbox.is_paging:
            busy = await self._write()
            busy |= await self._read()
            if not self._is_stalled() and outbox.rejoin():
                log.info("Kafka takes what comes again; nothing is left on disk to be sent")
                self._wake()
        if self._spill.size:
            await asyncio.to_thread(self._spill.forget, outbox.first_needed())
        ON_DISK.set(self._spill.size)
        return busy

    def _is_due(self) -> bool:
        return self._is_stalled() or self._outbox.ahead > self._most_ahead

    def _is_stalled(self) -> bool:
        oldest = self._outbox.oldest()
        return oldest is not None and self._clock() - oldest > STALLED_S

    async def _begin(self) -> None:
        log.warning("Kafka does not take what comes: it goes to disk", bytes=self._outbox.size)
        in_flight = self._outbox.in_flight()
        self._outbox.page()
        await self._written(in_flight)

    async def _write(self) -> bool:
        if self._spill.is_full:
            return False
        items = self._outbox.leave(self._chunk)
        if not items:
            return False
        if await self._written(items):
            self._outbox.left()
            return True
        self._outbox.stayed()
        await asyncio.sleep(AFTER_FAILURE_S)
        return False

    async def _written(self, items: list[Item]) -> bool:
        try:
            await asyncio.to_thread(self._spill.write, items)
        except OSError as error:
            FAILURES.inc()
            self.trouble = f"{self._spill} cannot be written: {error.strerror}"
            log.warning("spill failed", error=repr(error))
            return False
        self.trouble = None
        SPILLED.inc(sum(len(item.value) for item in items))
        return True

    async def _read(self) -> bool:
        outbox = self._outbox
        if not outbox.has_paged or outbox.ahead > self._most_ahead:
            return False
        try:
            items = await asyncio.to_thread(self._spill.read, self._chunk)
        except OSError as error:
            self.trouble = f"{self._spill} cannot be read: {error.strerror}"
            log.warning("spill cannot be read", error=repr(error))
            await asyncio.sleep(AFTER_FAILURE_S)
            return False
        if not items:
            log.error("the spill ends before its time; something was half written")
            outbox.gave_up()
            return False
        now, left_over = self._clock(), self._spill.left_over
        outbox.came_back(
            replace(item, put_at=now) if item.number <= left_over else item for item in items
        )
        self._wake()
        return True

    async def _keep_rest(self) -> None:
        if not self._outbox:
            return
        if not self._outbox.is_paging:
            await self._begin()
        while await self._write():
            pass
        log.warning("kept on disk for the next process of this name", bytes=self._spill.size)
