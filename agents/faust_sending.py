"""Records on their way to the broker, and what the broker refuses for good.

The broker refuses all that a request holds for a partition at once. So a record whose request was
refused is sent once more alone, which shows whether it is the one.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
)

from pipeline.kafka import partition_of
from schemas.frozen import dataclass

log = structlog.get_logger(__name__)

REFUSED = (MessageSizeTooLargeError, RecordListTooLargeError, PolicyViolationError)
"""Errors with which a record is refused however often it is sent."""

Headers = Sequence[tuple[str, bytes]]


class Sender(Protocol):
    """How records are sent."""

    async def send(  # noqa: PLR0917 - as it is in aiokafka
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Headers | None = None,
    ) -> asyncio.Future[Any]:
        """Queue a record; the future is done when the broker has it. Raises
        `MessageSizeTooLargeError` for a record that is never sent."""
        ...

    async def send_alone(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int | None = None,
        headers: Headers | None = None,
    ) -> None:
        """Send a record in a request of its own. Return once the broker has it; raises what the
        broker answers."""
        ...


class Patient:
    """A sender that waits for as long as its producer's buffer is full: a time-out of `send` says
    that the record was not taken. That Kafka takes nothing for too long, the watchdog says."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def send(self, topic: str, *record: Any, **options: Any) -> asyncio.Future[Any]:
        """Queue a record, as `Sender.send` does."""
        while True:
            try:
                future: asyncio.Future[Any] = await self._producer.send(topic, *record, **options)
            except KafkaTimeoutError:
                log.warning("Kafka takes nothing; waiting", topic=topic)
            else:
                return future

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
            if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
                raise MessageSizeTooLargeError(f"a record of {len(value or b'')} bytes")
            batch.close()
            try:
                return await self._producer.send_batch(batch, topic, partition=partition)
            except KafkaTimeoutError:
                log.warning("Kafka takes nothing; waiting", topic=topic)


@dataclass(frozen=True, slots=True)
class Sent:
    """A record that was sent, and the broker's answer to come."""

    sender: Sender
    topic: str
    value: bytes | None
    key: bytes | None
    partition: int | None
    answer: asyncio.Future[Any]

    async def refusal(self) -> Exception | None:
        """Return None once the broker has the record, or why it refuses it for good. Raises any
        other answer of the broker."""
        try:
            await self.answer
        except REFUSED:
            log.warning("a request was refused; the record is sent alone", topic=self.topic)
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
    """Send a record. Raises what `Sender.send` raises."""
    answer = await sender.send(topic, value, key, partition)
    return Sent(sender, topic, value, key, partition, answer)
