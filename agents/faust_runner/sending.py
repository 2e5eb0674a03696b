"""Send records to the broker, and find those that it refuses for good.

The broker refuses all records that a request holds for a partition together. So each record of a
refused request is sent once more alone, which shows whether it is the cause.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Protocol

import structlog
from aiokafka.errors import (
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
)

from pipeline.runtime.eager import Unfinished, begin
from pipeline.runtime.event_producer import EventProducer
from pipeline.runtime.kafka import partition_of
from schemas.fast_dataclass import dataclass

log = structlog.get_logger(__name__)

REFUSED = (MessageSizeTooLargeError, RecordListTooLargeError, PolicyViolationError)
"""Errors with which the broker refuses a record, however often it is sent."""

Headers = Sequence[tuple[str, bytes]]


class Sender(Protocol):
    """The interface for sending records."""

    async def send(  # noqa: PLR0917 - as it is in aiokafka
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Headers | None = None,
    ) -> asyncio.Future[Any]:
        """Queue a record; return a future that is done when the broker has it. Raise
        `MessageSizeTooLargeError` for a record that is too large to be sent at all."""
        ...

    async def send_alone(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int | None = None,
        headers: Headers | None = None,
    ) -> None:
        """Send a record in a request of its own; return once the broker has it. Raise the broker's
        error."""
        ...


_Place = tuple[str, int | None]
_Offer = Callable[[], Coroutine[Any, Any, asyncio.Future[Any]]]


class Patient:
    """A sender that never blocks. Records wait here, in order and in one queue per partition, while
    the producer's buffer has no room for them."""

    def __init__(self, producer: EventProducer) -> None:
        self._producer = producer
        self._queues: dict[_Place, deque[tuple[_Offer, asyncio.Future[Any]]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(  # noqa: PLR0917 - as it is in aiokafka
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Headers | None = None,
    ) -> asyncio.Future[Any]:
        """Queue a record, as `Sender.send` does."""
        if partition is None and key is not None:
            partition = partition_of(key, len(await self._producer.partitions_for(topic)))
        place, append = (topic, partition), self._producer.send
        send: _Offer = partial(append, topic, value, key, partition, timestamp_ms, headers)
        offer = send
        if place not in self._queues:
            try:
                begun = begin(send())
            except KafkaTimeoutError:
                begun = begin(self._offer(topic, send, send))
            if not isinstance(begun, Unfinished):
                return begun
            self._begin_queue(place)
            offer = begun.finish
        offer = partial(self._offer, topic, send, offer)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queues[place].append((offer, answer))
        return answer

    def _begin_queue(self, place: _Place) -> None:
        self._queues[place] = deque()
        task = asyncio.create_task(self._work_off(place))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work_off(self, place: _Place) -> None:
        queue = self._queues[place]
        while queue:
            offer, answer = queue[0]
            try:
                _pass_on(await offer(), answer)
            except Exception as error:  # noqa: BLE001 - passed on to the sender of the record
                if not answer.done():
                    answer.set_exception(error)
            queue.popleft()
        del self._queues[place]

    async def _offer(self, topic: str, send: _Offer, first: _Offer) -> asyncio.Future[Any]:
        """Send a record once there is room. `first`: the first try, which may have begun already.
        A time-out of `send` means that the producer did not accept the record."""
        offer = first
        while True:
            try:
                return await offer()
            except KafkaTimeoutError:
                log.warning("Kafka accepts no records; waiting", topic=topic)
                offer = send

    async def send_alone(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int | None = None,
        headers: Headers | None = None,
    ) -> None:
        """Send a record, as `Sender.send_alone` does."""
        if partition is None:
            partition = partition_of(key or b"", len(await self._producer.partitions_for(topic)))
        await (await self._queued_alone(topic, value, key, partition, list(headers or ())))

    async def _queued_alone(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        headers: Headers,
    ) -> Any:
        while True:
            batch = self._producer.create_batch()
            every = self._producer.headers_of(topic, value, headers)
            if batch.append(timestamp=None, key=key, value=value, headers=every) is None:
                raise MessageSizeTooLargeError(f"a record of {len(value or b'')} bytes")
            batch.close()
            try:
                return await self._producer.send_batch(batch, topic, partition=partition)
            except KafkaTimeoutError:
                log.warning("Kafka accepts no records; waiting", topic=topic)


@dataclass(frozen=True, slots=True)
class Sent:
    """A record that was sent, and the broker's future answer."""

    sender: Sender
    topic: str
    value: bytes | None
    key: bytes | None
    partition: int | None
    answer: asyncio.Future[Any]

    async def refusal(self) -> Exception | None:
        """Return None once the broker has the record, or the error with which it refuses it for
        good. Raise any other error of the broker."""
        try:
            await self.answer
        except REFUSED:
            log.warning("a request was refused; sending its record alone", topic=self.topic)
        else:
            return None
        try:
            await self.sender.send_alone(self.topic, self.value, self.key, self.partition)
        except REFUSED as error:
            refusal: Exception = error
            return refusal
        return None


async def sent(
    sender: Sender, topic: str, value: bytes | None, key: bytes | None, partition: int | None
) -> Sent:
    """Send a record. Raise what `Sender.send` raises."""
    answer = await sender.send(topic, value, key, partition)
    return Sent(sender, topic, value, key, partition, answer)


def _pass_on(source: asyncio.Future[Any], target: asyncio.Future[Any]) -> None:
    """Complete `target` with the outcome of `source`."""

    def done(source: asyncio.Future[Any]) -> None:
        if target.done():
            return
        if source.cancelled():
            target.cancel()
        elif (error := source.exception()) is not None:
            target.set_exception(error)
        else:
            target.set_result(source.result())

    source.add_done_callback(done)
