"""Kafka, as every role uses it: producers, consumers, and the topics as they must be."""

import asyncio
import struct
import time
from collections.abc import Iterable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAlreadyExistsError,
    for_code,
)
from aiokafka.partitioner import murmur2
from aiokafka.protocol.produce import ProduceRequest

from pipeline.kafka_security import client_arguments
from pipeline.settings import Settings, SettingsError
from schemas.topics import Topic

log = structlog.get_logger(__name__)

MAX_REQUEST_BYTES = 4 * 1024 * 1024
BATCH_BYTES = 256 * 1024
"""So much of a partition goes out together. aiokafka's 16 kB are seven versions of a call: whoever
has more waits for a request after every seven, and a role spent half of its time on that."""
TRANSACTION_TIMEOUT_MS = 5_000
IDLE_FETCH_MS = 500
"""How long a fetch that finds nothing may take, for who reads the same many partitions all the
time: each costs the broker, and who asks, a look at all of them. Who turns to other partitions
waits for the fetch under way, so others ask for less."""
GATHERED_BYTES = 1024 * 1024
"""So much who lets the broker gather wants at once, or else what comes within a time."""
_REFUSED_CODES = frozenset(
    error.errno for error in (MessageSizeTooLargeError, RecordListTooLargeError)
)
"""The broker refuses a batch with these before it looks at its sequence numbers."""
_BASE_SEQUENCE = struct.Struct(">i")
_PATIENCE_SECONDS = 5.0
_AGAIN_SECONDS = 0.2


def producer(settings: Settings, **overrides: Any) -> AIOKafkaProducer:
    """A producer: idempotent, acks=all, murmur2 like every other of ours. Not started."""
    arguments: dict[str, Any] = {
        **client_arguments(settings),
        "enable_idempotence": True,
        "acks": "all",
        "linger_ms": 2,
        "max_request_size": MAX_REQUEST_BYTES,
        "max_batch_size": BATCH_BYTES,
        "request_timeout_ms": 10_000,
    }
    made = AIOKafkaProducer(**arguments | overrides)
    _reuse_refused_sequences(made)
    return made


def _reuse_refused_sequences(made: AIOKafkaProducer) -> None:
    """After the broker refused a batch for good, give its sequence numbers to the next batch.

    aiokafka numbers on, the broker does not: it would refuse every later batch of the partition as
    out of order. Until the answer is handled, aiokafka sends no other batch of the partition.
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
    """A consumer: read-committed, from the earliest record, committing nothing by itself.

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
    }
    if overrides.get("group_id") and settings.instance:
        arguments["group_instance_id"] = settings.instance
    return AIOKafkaConsumer(*topics, **arguments | overrides)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition on which every producer of ours, and Java's, puts a key."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


async def ensure_topics(settings: Settings, topics: Iterable[Topic]) -> None:
    """Makes the topics that are missing and waits for them; reports, and does not change, those
    that exist with other settings. A broker that is away is waited for, for some seconds. Raises
    `SettingsError` for another number of partitions, which would break the order of every call."""
    admin = await _connected(settings)
    try:
        wanted = {settings.prefixed(topic.name): topic for topic in topics}
        present = set(await admin.list_topics())
        await _create(admin, settings, {n: t for n, t in wanted.items() if n not in present})
        await _wait_for_leaders(admin, set(wanted))
        await _check(admin, {n: t for n, t in wanted.items() if n in present})
    finally:
        await admin.close()


async def _connected(settings: Settings) -> AIOKafkaAdminClient:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        admin = AIOKafkaAdminClient(**client_arguments(settings), request_timeout_ms=10_000)
        try:
            await admin.start()
        except KafkaConnectionError:
            await admin.close()
            if time.monotonic() >= deadline:
                raise
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            return admin


async def _create(admin: AIOKafkaAdminClient, settings: Settings, wanted: dict[str, Topic]) -> None:
    # Several processes may start at once on an empty broker: who comes second finds them made.
    new = [NewTopic(n, t.partitions, 1, topic_configs=t.config()) for n, t in wanted.items()]
    for each in new:
        # -1 is the broker's default, which NewTopic's constructor refuses.
        each.replication_factor = settings.kafka_replication_factor or -1
    if not new:
        return
    response = await admin.create_topics(new)
    for name, code, *message in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise SettingsError(f"topic {name} cannot be made: {error.__name__} {message}")


async def _wait_for_leaders(admin: AIOKafkaAdminClient, names: set[str]) -> None:
    while True:
        found = await admin.describe_topics(list(names))
        ready = {
            t["topic"]
            for t in found
            if t["error_code"] == 0 and all(p["leader"] >= 0 for p in t["partitions"])
        }
        if names <= ready:
            return
        await asyncio.sleep(0.1)


async def _check(admin: AIOKafkaAdminClient, present: dict[str, Topic]) -> None:
    if not present:
        return
    for described in await admin.describe_topics(list(present)):
        topic = present[described["topic"]]
        partitions = len(described["partitions"])
        if partitions != topic.partitions:
            raise SettingsError(
                f"topic {described['topic']} has {partitions} partitions, must have "
                f"{topic.partitions}: give flexcapture topics of its own (FLEXCAPTURE_TOPIC_PREFIX)"
            )
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in present]
    for response in await admin.describe_configs(resources):
        for _code, _message, _kind, name, entries in response.resources:
            actual = {entry[0]: entry[1] for entry in entries}
            for setting, value in present[name].config().items():
                if actual.get(setting) != value:
                    log.warning(
                        "topic has other settings than ours; left as it is",
                        topic=name,
                        setting=setting,
                        actual=actual.get(setting),
                        ours=value,
                    )


async def wait_for_kafka(settings: Settings, seconds: float, brokers: int = 1) -> None:
    """Return once Kafka answers and has at least so many live brokers. Raises `TimeoutError` after
    `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            admin = AIOKafkaAdminClient(**client_arguments(settings), request_timeout_ms=3_000)
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
