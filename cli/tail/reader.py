"""Read topics from Kafka for `flexcapture tail`. I/O."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from cli.log_merge import Merge
from cli.tail.arguments import TailRequest
from cli.tail.decoding import Shown, decoded, is_of_task
from pipeline.runtime.kafka import consumer, partition_of
from pipeline.runtime.settings import Settings
from schemas.topics import Topic

CLOCKS_APART_MS = 5_000
"""How far (s) this machine's clock may be ahead of Kafka's: following ends this long after
`until`."""
_POLL_MS, _FOLLOW_MS = 20, 200
_CROWDED = 2_000
"""A partition with this many records that wait for those of other partitions is not read
meanwhile."""
_FETCH_BYTES = 512 * 1024


async def read(settings: Settings, asked: TailRequest) -> AsyncIterator[list[Shown]]:
    """Yield the requested records: existing ones in the order of time, then new ones as they
    arrive.

    Raise `LookupError` if a topic does not exist, and aiokafka's errors if Kafka is unavailable.
    """
    kafka = consumer(settings, max_partition_fetch_bytes=_FETCH_BYTES)
    try:
        await kafka.start()
        async for records in _Reading(kafka, settings, asked).records():
            shown = [decoded(each) for each in records if _is_in_time(each.timestamp, asked)]
            sid = asked.task_sid
            yield [each for each in shown if sid is None or is_of_task(each, sid)]
    finally:
        await kafka.stop()


def _is_in_time(at: int, asked: TailRequest) -> bool:
    if asked.since is not None and at < asked.since:
        return False
    return asked.until is None or at < asked.until


class _Reading:
    def __init__(self, kafka: AIOKafkaConsumer, settings: Settings, asked: TailRequest) -> None:
        self._kafka = kafka
        self._settings = settings
        self._asked = asked

    async def records(self) -> AsyncIterator[Sequence[Any]]:
        """Yield the records of the partitions, including some that were not requested."""
        partitions = await self._partitions()
        starts, ends = await self._limits(partitions)
        self._kafka.assign(partitions)
        for partition, offset in starts.items():
            self._kafka.seek(partition, offset)
        newer: list[Any] = []
        async for records in self._present(starts, ends, newer):
            yield records
        if self._asked.follow:
            yield _by_time(newer)
            while not self._is_over():
                found = await self._kafka.getmany(timeout_ms=_FOLLOW_MS)
                yield _by_time([each for records in found.values() for each in records])

    async def _partitions(self) -> list[TopicPartition]:
        found = []
        present = await self._kafka.topics()
        named = [(self._settings.prefixed(topic.name), topic) for topic in self._asked.topics]
        for name, topic in (*named, *((topic.name, topic) for topic in self._asked.derived)):
            if name not in present:
                raise LookupError(f"there is no topic {name} in this Kafka")
            found += [TopicPartition(name, number) for number in self._numbers(topic)]
        return found

    def _numbers(self, topic: Topic) -> Sequence[int]:
        if self._asked.task_sid is None or not topic.is_keyed_by_task:
            return range(topic.partitions)
        return [partition_of(self._asked.task_sid.encode(), topic.partitions)]

    async def _limits(
        self, partitions: Sequence[TopicPartition]
    ) -> tuple[Mapping[TopicPartition, int], Mapping[TopicPartition, int]]:
        """Return the first offset to read of each partition, and the offset after the last
        requested one that exists now."""
        asked = self._asked
        starts = await self._kafka.beginning_offsets(partitions)
        ends = await self._kafka.end_offsets(partitions)
        if asked.only_new:
            return ends, ends
        if asked.since is not None:
            starts = await self._offsets_at(asked.since, ends)
        if asked.until is not None:
            ends = await self._offsets_at(asked.until, ends)
        return starts, ends

    async def _offsets_at(
        self, at: int, ends: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        found = await self._kafka.offsets_for_times(dict.fromkeys(ends, at))
        return {
            partition: end if found[partition] is None else min(end, found[partition].offset)
            for partition, end in ends.items()
        }

    async def _present(
        self,
        starts: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
        newer: list[Any],
    ) -> AsyncIterator[Sequence[Any]]:
        """Yield the records before `ends`. Records after them that are read too go into `newer`."""
        merge: Merge[TopicPartition, Any] = Merge(starts)
        merge.extend(ends)
        unfinished = set(ends)
        while True:
            for partition in sorted(unfinished):
                # There may be offsets without records: marks of transactions.
                position = max(starts[partition], await self._kafka.position(partition))
                merge.push(partition, (), position)
                if position >= ends[partition]:
                    unfinished.discard(partition)
            yield [record for _, record in merge.take()]
            crowded = {each for each in ends if merge.waiting(each) >= _CROWDED}
            self._read_only(unfinished - crowded if unfinished else set(ends))
            if not unfinished:
                return
            found = await self._kafka.getmany(timeout_ms=_POLL_MS)
            for partition, records in found.items():
                merge.push(partition, records, records[-1].offset + 1)
                newer += [r for r in records if r.offset >= ends[partition]]

    def _read_only(self, wanted: set[TopicPartition]) -> None:
        paused = self._kafka.paused()
        self._kafka.pause(*(self._kafka.assignment() - wanted - paused))
        self._kafka.resume(*(paused & wanted))

    def _is_over(self) -> bool:
        until = self._asked.until
        return until is not None and time.time() * 1000 >= until + CLOCKS_APART_MS


def _by_time(records: list[Any]) -> list[Any]:
    return sorted(records, key=lambda record: record.timestamp)
