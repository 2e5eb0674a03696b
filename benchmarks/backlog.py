"""A backlog that becomes readable all at once, when the processes of a role share its partitions.

Its records are written in a transaction. Roles read committed records only, so they see none of
them before the commit.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.coordinator.protocol import ConsumerProtocol

from benchmarks.calls import KeyAndValue
from pipeline.policy.monitored_list import parse_list
from pipeline.policy.versions import key_of, parts_of
from pipeline.runtime.kafka import admin_client, ensure_topics, producer
from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.records import RecordingPolicy
from schemas.topics import POLICY, WORKERS, Topic
from simulator.people import MONITORED_LIST

TRANSACTION_MS = 15 * 60 * 1000
"""The longest that a broker allows by default: a run must have committed its backlog by then."""


@dataclass(frozen=True, slots=True)
class HiddenBacklog:
    """Records in an open transaction. `size`: their number."""

    size: int
    _writer: AIOKafkaProducer

    async def publish(self) -> None:
        """Make all records readable."""
        await self._writer.commit_transaction()


@asynccontextmanager
async def hidden_backlog(
    settings: Settings, topic: Topic, records: Iterable[KeyAndValue]
) -> AsyncIterator[HiddenBacklog]:
    """Write the records, and yield them still hidden."""
    await ensure_topics(settings, [topic])
    name, size = settings.prefixed(topic.name), 0
    writer = producer(
        settings,
        transactional_id=settings.prefixed("backlog"),
        transaction_timeout_ms=TRANSACTION_MS,
    )
    await writer.start()
    try:
        await writer.begin_transaction()
        for key, value in records:
            await writer.send(name, value, key)
            size += 1
        await writer.flush()
        yield HiddenBacklog(size, writer)
    finally:
        await writer.stop()


async def publish_list(settings: Settings) -> None:
    """Put the simulator's monitored list in force, as of before any event."""
    await ensure_topics(settings, [POLICY, WORKERS])
    entries = parse_list(MONITORED_LIST).entries
    policy = RecordingPolicy(1, 0, 1, entries, record_inbound=True, record_outbound=True)
    writer = producer(settings)
    await writer.start()
    try:
        for part in parts_of(policy):
            name, key = settings.prefixed(POLICY.name), key_of(part).encode()
            await writer.send_and_wait(name, encode(part), key, partition=0)
    finally:
        await writer.stop()


async def shares(settings: Settings, group: str, topic: Topic) -> tuple[int, ...]:
    """Return the number of the topic's partitions that each member of a consumer group has; ()
    during a rebalance."""
    admin = admin_client(settings)
    await admin.start()
    try:
        [response] = await admin.describe_consumer_groups([settings.prefixed(group)])
    finally:
        await admin.close()
    _code, _group, state, _kind, _protocol, members, *_ = response.groups[0]
    if state != "Stable":
        return ()
    return tuple(_owned(member[4], settings.prefixed(topic.name)) for member in members)


def _owned(assignment: bytes, topic: str) -> int:
    if not assignment:
        return 0
    decoded = ConsumerProtocol.ASSIGNMENT.decode(assignment).assignment
    return sum(len(numbers) for name, numbers in decoded if name == topic)


async def delete_topics(settings: Settings) -> None:
    """Delete every topic with the prefix of these settings, so that the next run has the disk and
    the broker to itself."""
    admin = admin_client(settings)
    await admin.start()
    try:
        names = [n for n in await admin.list_topics() if n.startswith(settings.topic_prefix)]
        await admin.delete_topics(names, timeout_ms=10_000)
    finally:
        await admin.close()
