"""Read whole topics, like any consumer."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.runtime.kafka import consumer
from pipeline.runtime.settings import Settings
from schemas.codec import decode
from schemas.topics import Topic

SILENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """One record: `at` is its Kafka timestamp (ms); `record` None: a tombstone."""

    topic: str
    partition: int
    offset: int
    at: int
    key: str | None
    record: Any


async def read(bootstrap_servers: str, topics: Iterable[Topic]) -> list[TopicRecord]:
    """Return all committed records of the topics, by time. Raises `TimeoutError` if the broker
    stops answering before the end."""
    settings = Settings(kafka_bootstrap_servers=bootstrap_servers)
    reader = consumer(settings)
    await reader.start()
    try:
        partitions = [TopicPartition(t.name, p) for t in topics for p in range(t.partitions)]
        reader.assign(partitions)
        await reader.seek_to_beginning()
        found = await _to_the_end(reader, partitions)
    finally:
        await reader.stop()
    return sorted(found, key=lambda one: (one.at, one.topic, one.partition, one.offset))


async def _to_the_end(
    reader: AIOKafkaConsumer, partitions: list[TopicPartition]
) -> list[TopicRecord]:
    found: list[TopicRecord] = []
    ends = await reader.end_offsets(partitions)
    waiting = {p for p in partitions if ends[p] > 0}
    while waiting:
        async with asyncio.timeout(SILENCE_S):
            batches = await reader.getmany(timeout_ms=200)
            found += [_topic_record(r) for records in batches.values() for r in records]
            waiting = {p for p in waiting if await reader.position(p) < ends[p]}
    return found


def _topic_record(record: Any) -> TopicRecord:
    key = record.key.decode(errors="replace") if record.key is not None else None
    value = None if record.value is None else decode(record.value)
    return TopicRecord(record.topic, record.partition, record.offset, record.timestamp, key, value)
