"""Records -> Kafka, by one writer a process, without ever making a caller wait.

Order: a key's records reach the log in the order of `publish`. The producer is idempotent and
repeats what fails in its order; should it give up all the same, it is thrown away and all that was
not acknowledged goes out again, in order, by a new one (a record may then be in the log twice).

Kafka refuses some records for good, one that is too large for the topic, say. A broker refuses a
whole producer batch then, so each record of it is sent again, alone. One that is refused alone is
dropped, and a `MediaDropped` takes the place of a `MediaBatch`.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError
from prometheus_client import Counter, Gauge, Histogram

from gateway.outbox import Item, Outbox
from gateway.paging import Pager
from gateway.refused_records import FINAL_ERRORS, REASON, substitute
from gateway.spill import Spill
from pipeline.media.regular import written
from schemas import codec
from schemas.records import MediaBatch

log = structlog.get_logger(__name__)

BUFFER_BYTES = 64 * 1024 * 1024
BATCH_BYTES = 16 * 1024
"""No batch is larger."""
_RETRY_S = (0.2, 0.5, 1.0, 2.0)

PUBLISHED = Counter(
    "flexcapture_gateway_records_published", "Records acknowledged by Kafka", ["topic"]
)
DROPPED = Counter(
    "flexcapture_gateway_batches_dropped", "Batches that went nowhere, by reason", ["reason"]
)
PUBLISH_SECONDS = Histogram(
    "flexcapture_gateway_publish_seconds",
    "From the cut of a record to Kafka's acknowledgement",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
REFUSED_RECORDS = Counter(
    "flexcapture_gateway_records_refused", "Records that Kafka refused for good", ["type"]
)
BUFFERED = Gauge("flexcapture_gateway_buffered_bytes", "Bytes that wait for Kafka's word")


class Publisher:
    """The writer. `run` must be running for anything to reach Kafka."""

    def __init__(
        self,
        make_producer: Callable[[], AIOKafkaProducer],
        *,
        limit: int = BUFFER_BYTES,
        spill: Spill | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make_producer = make_producer
        self._outbox = Outbox(limit, spill.left_over if spill else 0, clock())
        self._clock = clock
        self._wake = asyncio.Event()
        wake = self._wake.set
        self._pager = None if spill is None else Pager(self._outbox, spill, clock, wake)
        self._empty = asyncio.Event()
        self._broken = False
        self._suspects: set[int] = set()  # numbers of items that are to be sent alone
        self._stopping = asyncio.Event()

    def publish(
        self,
        topic: str,
        key: bytes | None,
        record: Any,
        *,
        partition: int | None = None,
        droppable: bool = False,
    ) -> bool:
        """Take a record, and return at once. Return False if the buffer is full, which happens only
        to what is `droppable`; the caller then counts it in `DROPPED`."""
        taken = self._outbox.put(
            topic,
            key,
            _encoded(record),
            at=self._clock(),
            partition=partition,
            droppable=droppable,
        )
        if not taken:
            return False
        self._empty.clear()
        self._wake.set()
        BUFFERED.set(self._outbox.size)
        return True

    def waiting_for(self) -> float:
        """Seconds for which the oldest record has been waiting for Kafka's word; 0 if none is."""
        oldest = self._outbox.oldest()
        return 0.0 if oldest is None else self._clock() - oldest

    def filled(self) -> float:
        """How full is what holds records that Kafka has not taken, 0 to 1 (control records may take
        it a little beyond): the disk, where there is one, else the buffer."""
        buffer = self._outbox.size / self._outbox.limit
        return buffer if self._pager is None else max(buffer, self._pager.filled())

    @property
    def buffered(self) -> int:
        """Bytes in memory that Kafka has not taken."""
        return self._outbox.size

    def has_room(self) -> bool:
        """Whether a batch would be taken now."""
        return self._outbox.size + BATCH_BYTES <= self._outbox.limit

    @property
    def why_full(self) -> str:
        """The reason for what is dropped, where something is."""
        return "buffer-full" if self._pager is None else self._pager.why_full

    @property
    def trouble(self) -> str | None:
        """What is wrong with the disk."""
        return None if self._pager is None else self._pager.trouble

    async def flushed(self, seconds: float) -> bool:
        """Waits until all was acknowledged; False if it was not within `seconds`."""
        if self._outbox:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._empty.wait()
        return not self._outbox

    async def run(self) -> None:
        """Writes until `stop`; what Kafka has not taken by then goes to the disk, if there is
        one."""
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(self._run(), name="producer")
            if self._pager is not None:
                tasks.create_task(self._pager.run(), name="pager")
            await self._stopping.wait()
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
            if self._pager is not None:
                self._pager.stop()

    def stop(self) -> None:
        """Has `run` end."""
        self._stopping.set()

    async def _run(self) -> None:
        """One turn of the loop is one producer's life."""
        failures = 0
        while True:
            self._broken = False
            producer = self._make_producer()
            try:
                await producer.start()
                failures = 0
                await self._write(producer)
            except (KafkaError, OSError) as error:
                log.warning("producer failed; making a new one", error=repr(error))
            finally:
                await _discard(producer)
            self._outbox.restart()
            await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
            failures += 1

    async def _write(self, producer: AIOKafkaProducer) -> None:
        """Sends what waits, in order, until the producer breaks."""
        while not self._broken:
            item = self._outbox.take()
            if item is None:
                if not self._outbox:
                    self._empty.set()
                self._wake.clear()
                await self._wake.wait()
                continue
            if item.number in self._suspects:
                await self._send_alone(producer, item)
            elif (answer := await self._send(producer, item)) is not None:
                answer.add_done_callback(partial(self._answered, item))

    async def _send(self, producer: AIOKafkaProducer, item: Item) -> asyncio.Future[Any] | None:
        """Hand an item to the producer. None: it was not taken; the item, or what takes its place,
        is the next again."""
        try:
            answer: asyncio.Future[Any] = await producer.send(
                item.topic, item.value, key=item.key, partition=item.partition
            )
        except KafkaTimeoutError:
            # Not sent: the producer's own buffer for that partition is full.
            self._outbox.untake(item)
        except FINAL_ERRORS as error:
            substituted = self._refuse(item, error)
            if substituted is not None:
                self._outbox.untake(substituted)
        else:
            return answer
        return None

    async def _send_alone(self, producer: AIOKafkaProducer, item: Item) -> None:
        """Send an item in a producer batch of its own, so that what is refused is this record."""
        await producer.flush()
        if self._broken:
            return
        answer = await self._send(producer, item)
        if answer is None:
            return
        await asyncio.wait([answer])
        error = None if answer.cancelled() else answer.exception()
        if isinstance(error, FINAL_ERRORS):
            self._refuse(item, error)
            # The broker did not count the batch: the producer's next one would be out of order.
            self._broken = True
        else:
            self._answered(item, answer)

    def _refuse(self, item: Item, error: BaseException) -> Item | None:
        """Drop an item in flight for good. Return the one that takes its place, None for none."""
        kind, value = substitute(item.value)
        REFUSED_RECORDS.labels(kind).inc()
        log.error("Kafka refuses a record", topic=item.topic, type=kind, error=repr(error))
        if value is None:
            self._outbox.delivered(item.number)
            self._suspects.discard(item.number)
            return None
        DROPPED.labels(REASON).inc()
        return self._outbox.substitute(item.number, value)

    def _answered(self, item: Item, answer: asyncio.Future[Any]) -> None:
        error = None if answer.cancelled() else answer.exception()
        if answer.cancelled() or error is not None:
            log.warning("record not taken", topic=item.topic, error=repr(error))
            if isinstance(error, FINAL_ERRORS):
                self._suspects.add(item.number)
            self._broken = True
            self._wake.set()
            return
        self._suspects.discard(item.number)
        if self._outbox.delivered(item.number) is None:
            return
        PUBLISHED.labels(item.topic).inc()
        PUBLISH_SECONDS.observe(self._clock() - item.put_at)
        BUFFERED.set(self._outbox.size)
        if not self._outbox:
            self._empty.set()


def _encoded(record: Any) -> bytes:
    regular = written(record) if type(record) is MediaBatch else None
    return codec.encode(record) if regular is None else regular


async def _discard(producer: AIOKafkaProducer) -> None:
    """Ends the producer for certain: one that lived on could send old records after newer ones."""
    try:
        async with asyncio.timeout(1):
            await producer.stop()
    except (TimeoutError, KafkaError):
        # `stop` waits for Kafka to take what is left, which we do ourselves.
        with suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(1):
                await producer._sender.close()  # noqa: SLF001 - no public way to give up
        with suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(1):
                await producer.client.close()
