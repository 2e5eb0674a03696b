"""Send the queued records with a producer, and handle its answers.

Kafka refuses some records for good, for example those that are too large for the topic. A broker
then refuses the whole producer batch, so each of its records is sent again alone. A record that is
refused alone is dropped; a `MediaBatch` is replaced by a `MediaDropped`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from gateway.metrics import (
    BATCHES_DROPPED,
    BUFFERED_BYTES,
    PUBLISH_SECONDS,
    RECORDS_PUBLISHED,
    RECORDS_REFUSED,
)
from gateway.publishing.lanes import PublishLane, PublishLanes
from gateway.publishing.refused_records import FINAL_ERRORS, REASON, substitute
from gateway.publishing.send_queue import Item
from pipeline.runtime.eager import Unfinished, begin

log = structlog.get_logger(__name__)

_RETRY_S = (0.2, 0.5, 1.0, 2.0)


class Writer:
    """Sends the records of the lanes. `acknowledged_at`: when Kafka last acknowledged a record, on
    `clock`, in s. `empty` is set while no record is unacknowledged."""

    def __init__(
        self,
        make_producer: Callable[[], AIOKafkaProducer],
        lanes: PublishLanes,
        clock: Callable[[], float],
    ) -> None:
        self._make_producer = make_producer
        self._lanes = lanes
        self._clock = clock
        self._ready: dict[PublishLane, None] = {}
        self._wake = asyncio.Event()
        self._failure: BaseException | None = None
        self.empty = asyncio.Event()
        self.acknowledged_at: float | None = None

    def make_ready(self, lane: PublishLane) -> None:
        """Note that the lane may have records to send."""
        if lane.sending is None:
            self._ready[lane] = None
            self._wake.set()

    def _break(self, failure: BaseException) -> None:
        """Discard the producer, which has failed."""
        self._failure = self._failure or failure
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled. Each iteration of the loop is the life of one producer."""
        failures = 0
        while True:
            self._failure = None
            producer = self._make_producer()
            try:
                await producer.start()
                failures = 0
                await self._write(producer)
            except (KafkaError, OSError) as error:
                log.warning("producer failed; making a new one", error=repr(error))
            finally:
                self._stop_sending()
                await _discard(producer)
            self._restart()
            await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
            failures += 1

    def _stop_sending(self) -> None:
        for lane in self._lanes:
            if lane.sending is not None:
                lane.sending.cancel()
                lane.sending = None

    def _restart(self) -> None:
        """Move everything in flight back to the waiting records."""
        for lane in self._lanes:
            lane.outbox.restart()
            self.make_ready(lane)

    async def _write(self, producer: AIOKafkaProducer) -> None:
        """Send the waiting records, in order for each partition, until the producer fails. Raise
        its error."""
        while self._failure is None:
            lane = next(iter(self._ready), None)
            if lane is None:
                self._note_if_empty()
                self._wake.clear()
                await self._wake.wait()
                continue
            item = lane.outbox.take()
            if item is None:
                del self._ready[lane]
            elif item.number in lane.suspects:
                self._send_in_task(lane, self._send_alone(producer, lane, item))
            else:
                self._send(producer, lane, item)
        raise self._failure if isinstance(self._failure, KafkaError) else KafkaError(self._failure)

    def _note_if_empty(self) -> None:
        if not self._lanes:
            self.empty.set()

    def _send_in_task(self, lane: PublishLane, sending: Coroutine[Any, Any, None]) -> None:
        """Run `sending` in a task. Nothing else of the lane is sent until it is done."""
        del self._ready[lane]
        task = lane.sending = asyncio.create_task(sending)

        def done(task: asyncio.Task[None]) -> None:
            if lane.sending is not task:
                return  # the task of a producer that was discarded
            lane.sending = None
            if not task.cancelled() and (error := task.exception()) is not None:
                self._break(error)
            self.make_ready(lane)

        task.add_done_callback(done)

    def _send(self, producer: AIOKafkaProducer, lane: PublishLane, item: Item) -> None:
        """Hand an item to the producer; if that has to wait, continue in a task."""
        try:
            begun = begin(self._hand_over(producer, lane, item))
        except (KafkaError, OSError) as error:
            self._break(error)
            return
        if isinstance(begun, Unfinished):
            self._send_in_task(lane, _ended(begun))

    async def _hand_over(
        self, producer: AIOKafkaProducer, lane: PublishLane, item: Item
    ) -> asyncio.Future[Any] | None:
        """Hand an item to the producer and return the future of its answer. Return None if the
        item was not taken: the item, or its substitute, is then the next one to send."""
        try:
            answer: asyncio.Future[Any] = await producer.send(
                item.topic, item.value, key=item.key, partition=lane.partition
            )
        except KafkaTimeoutError:
            # Not sent: the producer's own buffer for that partition is full.
            lane.outbox.untake(item)
        except FINAL_ERRORS as error:
            substituted = self._refuse(lane, item, error)
            if substituted is not None:
                lane.outbox.untake(substituted)
        else:
            answer.add_done_callback(partial(self._answered, lane, item))
            return answer
        return None

    async def _send_alone(self, producer: AIOKafkaProducer, lane: PublishLane, item: Item) -> None:
        """Send an item in a producer batch of its own, so that a refusal can only concern this
        record."""
        while len(lane.outbox.in_flight()) > 1:
            lane.moved.clear()
            await lane.moved.wait()
        answer = await self._hand_over(producer, lane, item)
        if answer is not None:
            await asyncio.wait([answer])

    def _refuse(self, lane: PublishLane, item: Item, error: BaseException) -> Item | None:
        """Drop an item in flight. Return its substitute, None if it has none."""
        kind, value = substitute(item.value)
        RECORDS_REFUSED.labels(kind).inc()
        log.error(
            "Kafka refuses a record permanently; it is dropped",
            topic=item.topic,
            type=kind,
            error=repr(error),
        )
        if value is None:
            lane.outbox.delivered(item.number)
            lane.suspects.discard(item.number)
            return None
        BATCHES_DROPPED.labels(REASON).inc()
        return lane.outbox.substitute(item.number, value)

    def _answered(self, lane: PublishLane, item: Item, answer: asyncio.Future[Any]) -> None:
        lane.moved.set()
        error = asyncio.CancelledError() if answer.cancelled() else answer.exception()
        if error is not None:
            log.warning(
                "Kafka has not accepted a record",
                topic=item.topic,
                partition=lane.partition,
                error=repr(error),
            )
            if isinstance(error, FINAL_ERRORS):
                if item.number in lane.suspects:  # it was alone
                    self._refuse(lane, item, error)
                else:
                    lane.suspects.add(item.number)
            # The broker did not count the batch: the producer's next one would be out of order.
            self._break(error)
            return
        lane.suspects.discard(item.number)
        if lane.outbox.delivered(item.number) is None:
            return
        RECORDS_PUBLISHED.labels(item.topic).inc()
        self.acknowledged_at = self._clock()
        PUBLISH_SECONDS.observe(self.acknowledged_at - item.put_at)
        BUFFERED_BYTES.set(self._lanes.room.used)
        if not lane.outbox:
            self._note_if_empty()


async def _ended(begun: Unfinished[Any]) -> None:
    await begun.finish()


async def _discard(producer: AIOKafkaProducer) -> None:
    """End the producer for certain: otherwise it could send old records after newer ones."""
    try:
        async with asyncio.timeout(1):
            await producer.stop()
    except (TimeoutError, KafkaError):
        # `stop` waits for Kafka to take the remaining records; the next producer sends those.
        with suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(1):
                await producer._sender.close()  # noqa: SLF001 - no public way to give up
        with suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(1):
                await producer.client.close()
