"""Read the live topics, merged by log time. I/O; it only reads."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from cli.derive.roles import TOPICS
from cli.log_merge import Merge
from pipeline.runtime.kafka import consumer
from pipeline.runtime.settings import Settings
from schemas.codec import type_of
from schemas.topics import TICKS, Topic

_POLL_MS = 20
_PARTITION_BYTES = 512 * 1024
_LAST_TICK_S = 5.0


class NoSource(RuntimeError):
    """None of the live topics exists. The text names them."""


class Sources:
    """The live topics that a derivation reads. Call `start` first and `stop` at the end.

    `records`: the wanted record types by the name of the topic. A partition is called as in
    `calls-3`, without the prefix.
    """

    def __init__(self, settings: Settings, records: Mapping[str, frozenset[str]]) -> None:
        self._settings = settings
        self._wanted = {settings.prefixed(name): types for name, types in records.items()}
        self._topics = list(records)
        self._asked: AIOKafkaConsumer = consumer(settings)
        self._reader: AIOKafkaConsumer = consumer(
            settings, fetch_max_wait_ms=10, max_partition_fetch_bytes=_PARTITION_BYTES
        )
        self._partitions: dict[str, TopicPartition] = {}
        self._merge: Merge[str, Any] = Merge({})

    async def start(self) -> None:
        """Connect. A topic that does not exist counts as empty. Raise `NoSource` if none exists, or
        aiokafka's errors if Kafka is unavailable."""
        await self._asked.start()
        present = await self._asked.topics()
        for name in self._topics:
            full = self._settings.prefixed(name)
            for number in range(TOPICS[name].partitions if full in present else 0):
                self._partitions[f"{name}-{number}"] = TopicPartition(full, number)
        if not self._partitions:
            raise NoSource(f"this Kafka has none of the topics {', '.join(self._wanted)}")
        await self._reader.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._reader.stop()
        await self._asked.stop()

    async def has(self, topic: Topic) -> bool:
        """Return whether the live topic exists."""
        return await self.exists(self._settings.prefixed(topic.name))

    async def exists(self, name: str) -> bool:
        """Return whether Kafka has a topic with this name, which includes its prefix."""
        return name in await self._asked.topics()

    async def beginnings(self, since: int | None) -> dict[str, int]:
        """Return each partition's first offset at or after a log time (ms; None: its first)."""
        found = self._named(await self._asked.beginning_offsets(self._all))
        return found if since is None else await self._at(since, await self.ends())

    async def ends(self, until: int | None = None) -> dict[str, int]:
        """Return the offset after each partition's last record before a log time (ms; None: its
        present end). Records of open transactions are beyond it."""
        found = self._named(await self._asked.end_offsets(self._all))
        return found if until is None else await self._at(until, found)

    async def complete_from(self) -> int:
        """Return the log time (ms) from which on every record is still on the topics; 0 if none has
        expired."""
        firsts = await self._asked.beginning_offsets(self._all)
        if not any(firsts.values()):
            return 0
        kept_ms = min(TOPICS[name].retention_ms or 0 for name in self._topics)
        return time.time_ns() // 1_000_000 - kept_ms

    async def last_tick(self) -> int:
        """Return the time (ms) of the last tick on any partition; 0 if there is none."""
        if not await self.has(TICKS):
            return 0
        kafka = consumer(self._settings, fetch_max_wait_ms=10)
        try:
            await kafka.start()
            return await self._last_of(kafka)
        finally:
            await kafka.stop()

    def begin(self, positions: Mapping[str, int]) -> None:
        """Begin to read at these offsets. `extend` sets the ends."""
        named = {name: positions[name] for name in self._partitions}
        self._merge = Merge(named)
        self._reader.assign(self._all)
        for name, offset in named.items():
            self._reader.seek(self._partitions[name], offset)

    def extend(self, ends: Mapping[str, int]) -> None:
        """Read up to these offsets."""
        self._merge.extend({name: ends[name] for name in self._partitions})

    async def read(self, until: int | None = None) -> AsyncIterator[tuple[str, Any]]:
        """Yield the records up to the ends, with the names of their partitions, by log time; those
        after log time `until` (ms) are left for the next call."""
        while True:
            for name, record in self._merge.take(until):
                yield name, record
            starved = self._merge.starved()
            if not starved:
                return
            await self._fetch(starved)

    def is_wanted(self, record: Any) -> bool:
        """Return whether the record is of a wanted type, and has a key."""
        value: bytes | None = record.value
        if record.key is None or value is None:
            return False
        return type_of(value) in self._wanted[record.topic]

    @property
    def _all(self) -> list[TopicPartition]:
        return list(self._partitions.values())

    def _named(self, found: Mapping[TopicPartition, int]) -> dict[str, int]:
        return {name: found[each] for name, each in self._partitions.items()}

    async def _at(self, at: int, ends: Mapping[str, int]) -> dict[str, int]:
        found = await self._asked.offsets_for_times(dict.fromkeys(self._all, at))
        offsets = {name: found[each] for name, each in self._partitions.items()}
        return {
            name: ends[name] if each is None else min(ends[name], each.offset)
            for name, each in offsets.items()
        }

    async def _fetch(self, starved: Sequence[str]) -> None:
        partitions = {self._partitions[name]: name for name in starved}
        # Only these: the fetched records of the others wait in the client.
        batches = await self._reader.getmany(*partitions, timeout_ms=_POLL_MS)
        for partition, name in partitions.items():
            # There may be offsets without records: marks of transactions.
            position = await self._reader.position(partition)
            self._merge.push(name, batches.get(partition, ()), position)

    async def _last_of(self, kafka: AIOKafkaConsumer) -> int:
        topic = self._settings.prefixed(TICKS.name)
        partitions = [TopicPartition(topic, n) for n in range(TICKS.partitions)]
        starts = await kafka.beginning_offsets(partitions)
        ends = await kafka.end_offsets(partitions)
        filled = [each for each in partitions if ends[each] > starts[each]]
        if not filled:
            return 0
        kafka.assign(filled)
        for each in filled:
            kafka.seek(each, ends[each] - 1)
        latest = 0
        deadline = asyncio.get_running_loop().time() + _LAST_TICK_S
        while filled and asyncio.get_running_loop().time() < deadline:
            for each, records in (await kafka.getmany(*filled, timeout_ms=_POLL_MS)).items():
                latest = max(latest, *(record.timestamp for record in records))
                filled.remove(each)
        return latest
