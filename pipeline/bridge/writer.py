"""Writing to Kafka: the events of a portion, its dead letters and the shard's checkpoint in one
transaction.

Rules (docs/decisions/0003): one transactional id a shard, the same in every process. Whoever takes
a shard over starts its producer first, which ends or aborts what another left behind and fences it,
and only then reads the checkpoint. After any error or time-out the outcome of a transaction is not
known: throw the writer away, make a new one, read the checkpoint again.
"""

import asyncio
from functools import lru_cache

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from prometheus_client import Counter

from pipeline.bridge.checkpoints import partition_of
from pipeline.bridge.messages import Limits, Message
from pipeline.bridge.place import Place
from pipeline.kafka import BATCH_BYTES, producer
from pipeline.settings import Settings
from pipeline.telemetry import count_invalid_sids
from schemas.codec import encode
from schemas.records import BridgeCheckpoint, BridgePeriod
from schemas.topics import BRIDGE_CHECKPOINTS, CTI_EVENTS

log = structlog.get_logger(__name__)

_START_SECONDS = 15.0
_TRANSACTION_MS = 4_500
"""After this the broker aborts an open transaction, as a killed process leaves it, when it looks
the next time: every 10 s unless it is told otherwise. Both together stay below 15 s."""
_WRITE_SECONDS = 4.0  # less than that
_STOP_SECONDS = 2.0

_events = Counter("flexcapture_bridge_events_total", "Events written to cti.events")
_dead_letters = Counter(
    "flexcapture_bridge_dead_letters_total", "Dead letters written, by reason", ["reason"]
)
_dead_letters_of_calls = Counter(
    "flexcapture_bridge_dead_letters_of_calls_total",
    "Dead letters with the SID of one task in their bytes: events that are missing in a call",
)
_trimmed = Counter(
    "flexcapture_bridge_trimmed_total",
    "Events too large for Kafka, written without the fields that no call needs",
)
_transactions = Counter(
    "flexcapture_bridge_transactions_total", "Transactions, by outcome", ["outcome"]
)


@lru_cache(maxsize=16_384)
def _event_partition(key: bytes) -> int:
    # As every other producer of ours partitions; cached because murmur2 is slow in Python.
    return int(murmur2(key) & 0x7FFFFFFF) % CTI_EVENTS.partitions


def written() -> tuple[int, int]:
    """How many events and dead letters this process has written."""

    def total(counter: Counter) -> int:
        samples = (sample for metric in counter.collect() for sample in metric.samples)
        return int(sum(s.value for s in samples if s.name.endswith("_total")))

    return total(_events), total(_dead_letters)


class ShardWriter:
    """The transactional producer of one place. Start it before the checkpoint is read."""

    def __init__(self, settings: Settings, place: Place, limits: Limits) -> None:
        self._settings = settings
        self._place = place
        self._topics = {
            name: settings.prefixed(name) for name in (CTI_EVENTS.name, "cti.dead-letters")
        }
        self._checkpoints = settings.prefixed(BRIDGE_CHECKPOINTS.name)
        self._partition = partition_of(place)
        self._sent: list[asyncio.Future[object]] = []
        self._producer: AIOKafkaProducer = producer(
            settings,
            transactional_id=settings.prefixed(place.transactional_id),
            transaction_timeout_ms=_TRANSACTION_MS,
            linger_ms=0,
            max_batch_size=min(BATCH_BYTES, limits.event_bytes, limits.dead_letter_bytes),
            request_timeout_ms=4_000,
        )

    async def start(self) -> None:
        """Fences every other writer of this place. Once it returns, whatever one of them wrote is
        committed or aborted for good. Raises `TimeoutError` or `KafkaError`."""
        async with asyncio.timeout(_START_SECONDS):
            await self._producer.start()

    async def write(
        self, messages: tuple[Message, ...], checkpoint: BridgeCheckpoint | BridgePeriod
    ) -> None:
        """All of it is on Kafka, or nothing. Raises `TimeoutError` or `KafkaError`; then it is not
        known which, and this writer is of no use any more."""
        try:
            async with asyncio.timeout(_WRITE_SECONDS):
                await self._write(messages, checkpoint)
        except BaseException:
            _transactions.labels("aborted").inc()
            raise
        _transactions.labels("committed").inc()
        for message in messages:
            count_invalid_sids(message.invalid_sids)
            _trimmed.inc(message.is_trimmed)
            if message.reason is None:
                _events.inc()
            else:
                _dead_letters.labels(message.reason).inc()
                _dead_letters_of_calls.inc(message.task_sid is not None)

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
        # A commit does not look at whether each message arrived: it would commit the rest.
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
        """Gives the producer up. An open transaction is aborted by whoever takes the place over,
        or by the broker when it times out."""
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._producer.stop()
        except (TimeoutError, KafkaError) as error:
            log.warning(
                "producer does not stop by itself", place=self._place.key, error=repr(error)
            )
            await self._kill()
        self._hush()

    def _hush(self) -> None:
        # A producer that has failed leaves futures behind that nobody will ask, and asyncio logs
        # each of them as an error of its own.
        batches = self._producer._message_accumulator._batches.values()  # noqa: SLF001
        left = [batch._drain_waiter for each in batches for batch in each]  # noqa: SLF001
        left += self._sent
        left.append(self._producer._txn_manager._transaction_waiter)  # noqa: SLF001
        for future in left:
            if future is not None and future.done() and not future.cancelled():
                future.exception()

    async def _kill(self) -> None:
        # stop() waits for messages that a lost broker will never take; its sender task repeats
        # them for ever and outlives one cancel, which it spends on waiting for its requests.
        sender = self._producer._sender.sender_task  # noqa: SLF001 - no public way
        while sender is not None and not sender.done():
            sender.cancel()
            await asyncio.wait([sender], timeout=0.1)
        await self._producer.client.close()
