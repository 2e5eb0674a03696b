"""Read the records of a test call on the topics `media` and `stream.events`: one partition of each,
from the moment of the start."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from cli.check_call.observations import Observations
from pipeline.runtime.kafka import consumer, partition_of
from pipeline.runtime.settings import Settings
from schemas.codec import Undecodable, decode
from schemas.records import (
    GatewayAlive,
    HandshakeRefused,
    MediaBatch,
    MediaStreamClosed,
    MediaStreamObserved,
    MediaStreamOpened,
)
from schemas.topics import GATEWAYS_ALIVE, MEDIA, STREAM_EVENTS

POLL_MS = 100


class Tap:
    """Fills `seen`. `gateways`: the names of gateways that sent a record; `changed` is set by each
    record."""

    def __init__(self, task_sid: str, seen: Observations) -> None:
        self._key = task_sid.encode()
        self._seen = seen
        self._changed = asyncio.Event()
        self.gateways: set[str] = set()

    def take(self, topic: str, key: bytes | None, record: object) -> None:
        """Handle a record of `topic` (its name without a prefix)."""
        if isinstance(record, GatewayAlive):
            self.gateways.add(record.gateway)
        elif key == self._key:
            self._take_own(topic, record)
        self._changed.set()

    def _take_own(self, topic: str, record: object) -> None:
        is_event = topic == STREAM_EVENTS.name
        match record:
            case MediaBatch():
                self._seen.batches.append(record)
            case MediaStreamOpened() if is_event:
                self._seen.opened.append(record)
            case MediaStreamClosed() if is_event:
                self._seen.closed.append(record)
            case MediaStreamObserved():
                self._seen.observed.append(record)
            case HandshakeRefused():
                self._seen.refused.append(record)
            case _:
                pass

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Return whether the condition became true within the time."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True


@asynccontextmanager
async def tapped(settings: Settings, task_sid: str, seen: Observations) -> AsyncIterator[Tap]:
    """Read in the background. Raise `KafkaError`, and `LookupError` if a topic does not exist."""
    tap = Tap(task_sid, seen)
    names = {
        settings.prefixed(topic.name): topic for topic in (MEDIA, STREAM_EVENTS, GATEWAYS_ALIVE)
    }
    reader: AIOKafkaConsumer = consumer(settings)
    await reader.start()
    try:
        await _assign(reader, names, task_sid)
        reading = asyncio.create_task(_read(reader, tap, names))
        try:
            yield tap
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    finally:
        await reader.stop()


async def _assign(reader: AIOKafkaConsumer, names: dict[str, Any], task_sid: str) -> None:
    known = await reader.topics()
    for name in names:
        if name not in known:
            raise LookupError(f"there is no topic {name} in this Kafka: start the pipeline first")
    partitions = [
        TopicPartition(name, partition_of(task_sid.encode(), topic.partitions))
        for name, topic in names.items()
    ]
    reader.assign(partitions)
    for partition, end in (await reader.end_offsets(partitions)).items():
        reader.seek(partition, end)


async def _read(reader: AIOKafkaConsumer, tap: Tap, names: dict[str, Any]) -> None:
    while True:
        for partition, records in (await reader.getmany(timeout_ms=POLL_MS)).items():
            for record in records:
                try:
                    tap.take(names[partition.topic].name, record.key, decode(record.value))
                except Undecodable:
                    continue  # no record of a test call
