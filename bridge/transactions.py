"""Write to Kafka: the events of a portion, its dead letters and the shard's checkpoint in one
transaction.

Rules (docs/decisions/0003): each shard has one transactional id, the same in every process. A
process that takes a shard over first starts its producer, which ends or aborts the transaction of
its predecessor and fences it. Only then does it read the checkpoint. After any error or time-out
the outcome of a transaction is not known: discard the writer, make a new one, and read the
checkpoint again.
"""

import asyncio
from functools import lru_cache

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from prometheus_client import Counter

from bridge.checkpoints import checkpoint_partition
from bridge.metrics import (
    DEAD_LETTERS_OF_CALLS,
    DEAD_LETTERS_WRITTEN,
    EVENTS,
    EVENTS_TRIMMED,
    TRANSACTIONS,
)
from pipeline.kinesis.messages import Message, SizeLimits
from pipeline.kinesis.shard_ref import Place
from pipeline.runtime.kafka import BATCH_BYTES, partition_of, producer
from pipeline.runtime.settings import Role, Settings
from pipeline.runtime.telemetry import count_invalid_sids
from schemas.codec import encode
from schemas.records import BridgeCheckpoint, BridgePeriod
from schemas.topics import BRIDGE_CHECKPOINTS, CTI_EVENTS

log = structlog.get_logger(__name__)

_START_SECONDS = 15.0
_TRANSACTION_MS = 4_500
"""The broker aborts an open transaction (of a killed process, for example) at its first check after
this time. It checks every 10 s by default. Both together stay below 15 s."""
_WRITE_SECONDS = 4.0  # less than _TRANSACTION_MS
_STOP_SECONDS = 2.0


@lru_cache(maxsize=16_384)
def _event_partition(key: bytes) -> int:
    # Cached, because murmur2 is slow in Python.
    return partition_of(key, CTI_EVENTS.partitions)


def written() -> tuple[int, int]:
    """Return how many events and dead letters this process has written."""

    def total(counter: Counter) -> int:
        samples = (sample for metric in counter.collect() for sample in metric.samples)
        return int(sum(s.value for s in samples if s.name.endswith("_total")))

    return total(EVENTS), total(DEAD_LETTERS_WRITTEN)


class ShardWriter:
    """The transactional producer of one place. Start it before you read the checkpoint."""

    def __init__(self, settings: Settings, place: Place, limits: SizeLimits) -> None:
        self._settings = settings
        self._place = place
        self._topics = {
            name: settings.prefixed(name) for name in (CTI_EVENTS.name, "cti.dead-letters")
        }
        self._checkpoints = settings.prefixed(BRIDGE_CHECKPOINTS.name)
        self._partition = checkpoint_partition(place)
        self._sent: list[asyncio.Future[object]] = []
        self._producer: AIOKafkaProducer = producer(
            settings,
            source=Role.BRIDGE,
            transactional_id=settings.prefixed(place.transactional_id),
            transaction_timeout_ms=_TRANSACTION_MS,
            linger_ms=0,
            max_batch_size=min(BATCH_BYTES, limits.event_bytes, limits.dead_letter_bytes),
            request_timeout_ms=4_000,
        )

    async def start(self) -> None:
        """Fence every other writer of this place. After the return, everything that they wrote is
        committed or aborted for good. Raise `TimeoutError` or `KafkaError`."""
        async with asyncio.timeout(_START_SECONDS):
            await self._producer.start()

    async def write(
        self, messages: tuple[Message, ...], checkpoint: BridgeCheckpoint | BridgePeriod
    ) -> None:
        """Write all of it, or nothing. Raise `TimeoutError` or `KafkaError`; then the outcome is
        not known, and this writer must not be used any more."""
        try:
            async with asyncio.timeout(_WRITE_SECONDS):
                await self._write(messages, checkpoint)
        except BaseException:
            TRANSACTIONS.labels("aborted").inc()
            raise
        TRANSACTIONS.labels("committed").inc()
        for message in messages:
            count_invalid_sids(message.invalid_sids)
            EVENTS_TRIMMED.inc(message.is_trimmed)
            if message.reason is None:
                EVENTS.inc()
            else:
                DEAD_LETTERS_WRITTEN.labels(message.reason).inc()
                DEAD_LETTERS_OF_CALLS.inc(message.task_sid is not None)

    async def _write(
        self, messages: tuple[Message, ...], checkpoint: BridgeCheckpoint | BridgePeriod
    ) -> None:
        await self._producer.begin_transaction()
        self._sent = []
        for message in messages:
            self._sent.append(await self._send(message))
        key, value = self._place.key.encode(), encode(checkpoint)
        self._sent.append(
            await self._producer.send(self._checkpoints, value, key, partition=self._partition)
        )
        # A commit does not check that each message arrived: it would commit without the missing
        # ones.
        for result in await asyncio.gather(*self._sent, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        await self._producer.commit_transaction()

    async def _send(self, message: Message) -> "asyncio.Future[object]":
        partition = (
            _event_partition(message.key)
            if message.key is not None and message.topic == CTI_EVENTS.name
            else None
        )
        future: asyncio.Future[object] = await self._producer.send(
            self._topics[message.topic],
            message.value,
            message.key,
            partition=partition,
            headers=message.headers,
        )
        return future

    async def close(self) -> None:
        """Disconnect. An open transaction is aborted by the next process that takes the place
        over, or by the broker when it times out."""
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._producer.stop()
        except (TimeoutError, KafkaError) as error:
            log.warning(
                "producer does not stop; closing its connections",
                place=self._place.key,
                error=repr(error),
            )
            await self._kill()
        self._hush()

    def _hush(self) -> None:
        # A failed producer leaves futures that nothing awaits. asyncio would log each of them as an
        # error, so their exceptions are read here.
        batches = self._producer._message_accumulator._batches.values()  # noqa: SLF001
        left = [batch._drain_waiter for each in batches for batch in each]  # noqa: SLF001
        left += self._sent
        left.append(self._producer._txn_manager._transaction_waiter)  # noqa: SLF001
        for future in left:
            if future is not None and future.done() and not future.cancelled():
                future.exception()

    async def _kill(self) -> None:
        # stop() waits for messages that a lost broker will never accept. Its sender task repeats
        # them for ever and survives one cancel, which only ends the wait for its requests.
        sender = self._producer._sender.sender_task  # noqa: SLF001 - no public way
        while sender is not None and not sender.done():
            sender.cancel()
            await asyncio.wait([sender], timeout=0.1)
        await self._producer.client.close()
