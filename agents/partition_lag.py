"""Measure how far a role is behind on each partition that it reads.

The age of a partition's first unread record is looked up on the log, but only if that record was
already there at the previous measurement. So a role that keeps up only costs a request for the
partitions' ends.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import NoReturn

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents.metrics import PARTITION_LAG_RECORDS, PARTITION_LAG_SECONDS
from pipeline.runtime import kafka
from pipeline.runtime.settings import Settings
from schemas.topics import Topic

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 5.0
ANSWER_SECONDS = 5.0

Offsets = Mapping[TopicPartition, int]
Timestamps = Callable[[Offsets], Awaitable[Offsets]]
"""Return the timestamp (ms) of the record at each offset; see `timestamps`."""
Look = Callable[[], Awaitable[tuple[Offsets, Offsets]]]
"""Return the first unread offset of each partition that the process owns, and the ends."""


class LagGauges:
    """The gauges of the partitions that a process of a role owns."""

    def __init__(self, role: str) -> None:
        self._role = role
        self._shown: set[tuple[str, int]] = set()

    def show(self, topic: str, number: int, records: int, seconds: float) -> None:
        """Set the gauges of a partition. `topic`: without the prefix."""
        self._shown.add((topic, number))
        PARTITION_LAG_RECORDS.labels(self._role, topic, str(number)).set(records)
        PARTITION_LAG_SECONDS.labels(self._role, topic, str(number)).set(seconds)

    def keep(self, owned: Collection[tuple[str, int]]) -> None:
        """Remove the gauges of other partitions: another process shows them now."""
        for topic, number in self._shown.difference(owned):
            PARTITION_LAG_RECORDS.remove(self._role, topic, str(number))
            PARTITION_LAG_SECONDS.remove(self._role, topic, str(number))
        self._shown.intersection_update(owned)


class PartitionLag:
    """Shows for each partition how many records are unread, and the age of the first of them.

    A record that came after the previous measurement counts as 0 s old. `now` is the log's clock
    (ms).
    """

    def __init__(
        self,
        settings: Settings,
        role: str,
        topics: Iterable[Topic],
        now: Callable[[], int],
        look_up: Timestamps | None = None,
    ) -> None:
        self._topics = {settings.prefixed(topic.name): topic.name for topic in topics}
        self._gauges = LagGauges(role)
        self._now = now
        self._look_up = look_up or (lambda offsets: timestamps(settings, offsets))
        self._ends: dict[TopicPartition, int] = {}
        self._times: dict[tuple[TopicPartition, int], int] = {}

    async def measure(self, look: Look) -> NoReturn:
        """Show the lag every few seconds."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    places, ends = await look()
            except (KafkaError, TimeoutError):
                continue
            await self.show(places, ends)

    async def show(self, places: Offsets, ends: Offsets) -> None:
        """Set the gauges. `places`: the first unread offset of each partition that the process
        owns. Partitions without an end, since they have no leader, keep their gauges."""
        known = {tp: end for tp, end in ends.items() if tp in places and tp.topic in self._topics}
        unread = {tp: places[tp] for tp, end in known.items() if places[tp] < end}
        # On a newly assigned partition, all records may be old.
        old = {tp: at for tp, at in unread.items() if at < self._ends.get(tp, at + 1)}
        await self._find_times(old)
        self._ends = known
        now = self._now()
        self._gauges.keep({(self._topics.get(tp.topic, ""), tp.partition) for tp in places})
        for tp, end in known.items():
            records = max(0, end - places[tp])
            at = self._times.get((tp, places[tp]), now)
            age = max(0, now - at) / 1000 if tp in old else 0.0
            self._gauges.show(self._topics[tp.topic], tp.partition, records, age)

    async def _find_times(self, offsets: Offsets) -> None:
        """Look up the timestamps that are not known, and forget those of other records."""
        self._times = {
            (tp, offset): at
            for (tp, offset), at in self._times.items()
            if offsets.get(tp) == offset
        }
        asked = {tp: offset for tp, offset in offsets.items() if (tp, offset) not in self._times}
        if asked:
            found = await self._look_up(asked)
            self._times |= {(tp, asked[tp]): at for tp, at in found.items()}


async def read_and_ends(consumer: AIOKafkaConsumer) -> tuple[Offsets, Offsets]:
    """Return the next offset to read of each assigned partition that has a leader, and its end."""
    ends = await kafka.end_offsets(consumer, consumer.assignment())
    return {tp: await consumer.position(tp) for tp in ends}, ends


async def timestamps(
    settings: Settings, offsets: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Return the Kafka timestamp (ms) of the first record at or after the offset of each partition,
    as far as Kafka answers in time."""
    found: dict[TopicPartition, int] = {}
    consumer = kafka.consumer(settings, fetch_max_wait_ms=100, max_partition_fetch_bytes=1)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await consumer.start()
            consumer.assign(list(offsets))
            for tp, offset in offsets.items():
                consumer.seek(tp, offset)
            while left := offsets.keys() - found.keys():
                records = await consumer.getmany(*left, timeout_ms=200)
                found |= {tp: of[0].timestamp for tp, of in records.items() if of}
    except (KafkaError, TimeoutError) as error:
        log.warning("age of unread records not known", error=repr(error))
    finally:
        await consumer.stop()
    return found
