"""The local broker, as every integration test uses it."""

import asyncio

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from pipeline.runtime.kafka import consumer, ensure_topics, producer
from pipeline.runtime.settings import SettingsError
from schemas import topics
from tests.conftest import SettingsFor

pytestmark = pytest.mark.integration


async def test_topics_are_made_once(settings_for: SettingsFor, prefix: str) -> None:
    """Creating the topics again, even at the same time, is no error."""
    settings = settings_for(prefix)
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(ensure_topics(settings, topics.ALL))
    await ensure_topics(settings, topics.ALL)


async def test_other_partition_counts_are_refused(settings_for: SettingsFor, prefix: str) -> None:
    """A topic with another number of partitions than ours is refused, by its name."""
    settings = settings_for(prefix)
    await ensure_topics(settings, [topics.Topic("calls", "task SID", ("Call",), partitions=3)])
    with pytest.raises(SettingsError, match=f"{prefix}calls has 3 partitions, must have 24"):
        await ensure_topics(settings, [topics.CALLS])


async def test_a_record_goes_through(settings_for: SettingsFor, prefix: str) -> None:
    """A record that is sent in a transaction is received with its key and value."""
    settings = settings_for(prefix)
    await ensure_topics(settings, [topics.CALLS])
    name = settings.prefixed(topics.CALLS.name)
    out = producer(settings, transactional_id=settings.prefixed("test"))
    async with out, out.transaction():
        await out.send_and_wait(name, b"value", b"key")
    async with consumer(settings, name) as source:
        record = await source.getone()
    assert (b"key", b"value") == (record.key, record.value)


async def test_a_producer_continues_after_a_record_that_the_broker_refuses(
    settings_for: SettingsFor, prefix: str
) -> None:
    """The broker did not number the refused record. aiokafka must not do so either, or all later
    records of the partition would be refused as out of order."""
    settings = settings_for(prefix)
    small = topics.Topic("small", "", (), partitions=1, extra={"max.message.bytes": "1000"})
    await ensure_topics(settings, [small])
    name = settings.prefixed("small")
    async with producer(settings) as out:
        for number in range(3):
            await out.send_and_wait(name, str(number).encode())
            with pytest.raises(MessageSizeTooLargeError):
                await out.send_and_wait(name, b"x" * 2_000)
        await out.send_and_wait(name, b"3")
    async with consumer(settings, name) as source:
        assert [b"0", b"1", b"2", b"3"] == [(await source.getone()).value for _ in range(4)]


async def test_more_replicas_than_brokers_are_refused(
    settings_for: SettingsFor, prefix: str
) -> None:
    """By the setting's name, and not before brokers had time to start."""
    settings = settings_for(prefix, kafka_replication_factor=3)
    with pytest.raises(SettingsError, match="FLEXCAPTURE_KAFKA_REPLICATION_FACTOR"):
        await ensure_topics(settings, [topics.CALLS], 1)
