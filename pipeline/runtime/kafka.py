"""Kafka clients for every role: producers, consumers, and helpers for topics and partitions."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from aiokafka.partitioner import murmur2
from aiokafka.protocol.produce import ProduceRequest

from pipeline.runtime.event_producer import EventProducer
from pipeline.runtime.kafka_answers import until_answered
from pipeline.runtime.kafka_client import leave_hung_brokers
from pipeline.runtime.kafka_security import client_arguments
from pipeline.runtime.kafka_sender import keep_partitions_apart
from pipeline.runtime.kafka_start import ensure_topics as ensure_topics  # noqa: PLC0414
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from schemas.topics import Topic

log = structlog.get_logger(__name__)

MAX_REQUEST_BYTES = 4 * 1024 * 1024
BATCH_BYTES = 256 * 1024
"""The greatest number of bytes of a partition in one request. With aiokafka's 16 kB, about seven
versions of a call, a producer waited for a request after every seven records, and a role spent half
of its time on that."""
TRANSACTION_TIMEOUT_MS = 5_000
IDLE_FETCH_MS = 500
"""How long (ms) a fetch without records may take, for consumers that always read the same many
partitions: each fetch makes the broker and the client process all of them. A consumer that changes
its partitions has to wait for the fetch under way, so other consumers use a shorter time."""
GATHERED_BYTES = 1024 * 1024
"""`fetch.min.bytes` for consumers that prefer throughput to latency: the broker answers once it has
this many bytes, or after the longest wait."""
_REFUSED_CODES = frozenset(
    error.errno for error in (MessageSizeTooLargeError, RecordListTooLargeError)
)
"""The codes with which the broker refuses a batch before it checks its sequence numbers."""
_BASE_SEQUENCE = struct.Struct(">i")
_UNKNOWN_SECONDS = 10.0
_AGAIN_SECONDS = 0.2


def producer(settings: Settings, *, source: str = "", **overrides: Any) -> EventProducer:
    """Return a producer: idempotent, acks=all, murmur2 as all our producers. Not started.

    `source`: the role or command that writes, for the headers of its records.
    """
    arguments: dict[str, Any] = {
        **client_arguments(settings),
        "enable_idempotence": True,
        "acks": "all",
        "linger_ms": 2,
        "max_request_size": MAX_REQUEST_BYTES,
        "max_batch_size": BATCH_BYTES,
        "request_timeout_ms": 10_000,
    }
    made = EventProducer(source, **arguments | overrides)
    leave_hung_brokers(made.client)
    _reuse_refused_sequences(made)
    if "transactional_id" not in overrides:
        keep_partitions_apart(made)
    return made


@asynccontextmanager
async def started_producer(
    settings: Settings, source: str, health: Health | None = None
) -> AsyncIterator[AIOKafkaProducer]:
    """Provide a producer that is started, and stopped at the end of the block. If Kafka does not
    answer, wait for it, with a reason in `health`; without `health`, raise Kafka's error."""
    made = producer(settings, source=source)
    try:
        if health is None:
            await made.start()
        else:
            await until_answered(made.start, "the producer's start", health)
        yield made
    finally:
        await made.stop()


def _reuse_refused_sequences(made: AIOKafkaProducer) -> None:
    """After the broker refused a batch for good, give its sequence numbers to the next batch.

    aiokafka counts them as used, the broker does not: it would refuse every later batch of the
    partition as out of order. aiokafka sends no other batch of the partition until it has handled
    the answer.
    """
    client = made.client
    at_once = client.send

    async def send(node_id: int, request: Any, **options: Any) -> Any:
        response = await at_once(node_id, request, **options)
        if isinstance(request, ProduceRequest) and made._txn_manager is not None:  # noqa: SLF001
            sequences = made._txn_manager._sequence_numbers  # noqa: SLF001
            batches = {
                (topic, partition): batch
                for topic, partitions in request._topics  # noqa: SLF001
                for partition, batch in partitions
            }
            for topic, partitions in response.topics:
                for partition, error_code, *_ in partitions:
                    if error_code in _REFUSED_CODES:
                        (first,) = _BASE_SEQUENCE.unpack_from(batches[topic, partition], 53)
                        sequences[TopicPartition(topic, partition)] = first
        return response

    client.send = send


def consumer(settings: Settings, *topics: str, **overrides: Any) -> AIOKafkaConsumer:
    """Return a consumer: read-committed, from the earliest record, without automatic commits.

    With `group_id` it joins as the static member FLEXCAPTURE_INSTANCE. Not started.
    """
    arguments: dict[str, Any] = {
        **client_arguments(settings),
        "isolation_level": "read_committed",
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "session_timeout_ms": 8_000,
        "heartbeat_interval_ms": 1_500,
        "max_partition_fetch_bytes": MAX_REQUEST_BYTES,
        "fetch_max_wait_ms": 100,
        # A join waits for the other members, for the session time-out at most.
        "request_timeout_ms": 12_000,
    }
    if overrides.get("group_id") and settings.instance:
        arguments["group_instance_id"] = settings.instance
    made = AIOKafkaConsumer(*topics, **arguments | overrides)
    leave_hung_brokers(made._client)  # noqa: SLF001
    _stop_to_the_end(made)
    if overrides.get("group_id"):
        _assign_known_topics(made)
    return made


def _stop_to_the_end(made: AIOKafkaConsumer) -> None:
    """Let `stop` close everything, also if a fetch has just failed.

    aiokafka cancels a fetch that waits to be repeated, awaits it, and then fails with its
    `CancelledError`, before it closes the connections. The caller would take that for its own
    cancellation.
    """
    stop = made.stop

    async def stopped() -> None:
        try:
            await stop()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            fetches = tuple(getattr(made._fetcher, "_pending_tasks", ()))  # noqa: SLF001
            for fetch in fetches:
                fetch.cancel()
            await asyncio.gather(*fetches, return_exceptions=True)
            await made._client.close()  # noqa: SLF001

    made.stop = stopped


def _assign_known_topics(made: AIOKafkaConsumer) -> None:
    """Let the leader of a group assign partitions only once it knows every topic of the group.

    aiokafka treats a topic that is not in its metadata as one without partitions, and refreshes the
    metadata only after five minutes: until then no member has the partitions. The wait is limited
    to `_UNKNOWN_SECONDS`.
    """
    client = made._client  # noqa: SLF001 - awaited before each assignment, and nothing else is
    before = client._maybe_wait_metadata  # noqa: SLF001

    async def wait_for_metadata() -> None:
        await before()
        coordinator = made._coordinator  # noqa: SLF001
        group_topics = getattr(coordinator, "_group_subscription", None) or ()
        deadline = time.monotonic() + _UNKNOWN_SECONDS
        while unknown := [t for t in group_topics if not client.cluster.partitions_for_topic(t)]:
            if time.monotonic() >= deadline:
                log.warning("topics are assigned without partitions", topics=unknown)
                return
            await client.force_metadata_update()
            await asyncio.sleep(_AGAIN_SECONDS)

    client._maybe_wait_metadata = wait_for_metadata  # noqa: SLF001


async def know_topics(
    sender: AIOKafkaProducer, settings: Settings, topics: Iterable[Topic]
) -> None:
    """Return once the started producer knows the topics. It then knows them even if Kafka becomes
    unavailable; a first record on an unknown topic would fail after its request time-out."""
    for topic in topics:
        await sender.partitions_for(settings.prefixed(topic.name))


async def with_leader(
    client: AIOKafkaConsumer | AIOKafkaProducer, partitions: Iterable[TopicPartition]
) -> set[TopicPartition]:
    """Return those of the partitions that have a leader, as far as the started client knows. Raise
    `KafkaError` for a topic that does not exist."""
    connected = client.client if isinstance(client, AIOKafkaProducer) else client._client  # noqa: SLF001
    wanted = set(partitions)
    for topic in {tp.topic for tp in wanted}:
        await connected._wait_on_metadata(topic)  # noqa: SLF001
    return {tp for tp in wanted if connected.cluster.leader_for_partition(tp) not in (None, -1)}


async def end_offsets(
    consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """Return the end offsets of those of the partitions that have a leader. Raise `KafkaError`."""
    found = await with_leader(consumer, partitions)
    ends: dict[TopicPartition, int] = await consumer.end_offsets(found) if found else {}
    return ends


def admin_client(settings: Settings, request_timeout_ms: int = 10_000) -> AIOKafkaAdminClient:
    """Return a client for topics and their settings. Not started."""
    made = AIOKafkaAdminClient(**client_arguments(settings), request_timeout_ms=request_timeout_ms)
    leave_hung_brokers(made._client)  # noqa: SLF001
    return made


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition to which all our producers, and Java's, send a key."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


async def wait_for_kafka(settings: Settings, seconds: float, brokers: int = 1) -> None:
    """Return once Kafka answers and has at least this many live brokers. Raise `TimeoutError` after
    `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            admin = admin_client(settings, 3_000)
            try:
                await admin.start()
                live = len((await admin.describe_cluster())["brokers"])
            except (KafkaConnectionError, KafkaError, OSError):
                live = 0
            finally:
                await admin.close()
            if live >= max(1, brokers):
                return
            await asyncio.sleep(0.1)
