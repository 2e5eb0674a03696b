"""Measure how far the recorder is behind on `media`, and count records that expired unread."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents.partition_lag import ANSWER_SECONDS, LagGauges
from agents.recorder.metrics import EXPIRED_RECORDS, LAG_RECORDS, LAG_SECONDS, RETENTION_USED
from pipeline.runtime.settings import Role
from schemas.topics import MEDIA

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Lag:
    """This process's position on each partition, and the timestamp (ms) of the oldest unread
    record.

    `epoch` grows with each assignment. The timestamp is that of the last record read. Before the
    first one, and on partitions that wait, it must be looked up on the log: `untimed`.
    """

    epoch: int = 0
    _places: dict[int, tuple[int, int]] = field(default_factory=dict)
    """The next offset to read, and the timestamp of the last record read, 0 if there is none."""
    _waiting: dict[int, int] = field(default_factory=dict)
    _times: dict[tuple[int, int], int] = field(default_factory=dict)
    _gauges: LagGauges = field(default_factory=lambda: LagGauges(Role.RECORDER))

    def read(self, tp: TopicPartition, first: int, last: int, at: int) -> None:
        """Note that records `first` to `last` were read, the last with timestamp `at`. Missing
        records before them have expired: offsets of `media` have no other gaps."""
        expected, _ = self._places.get(tp.partition, (first, 0))
        if first > expected:
            EXPIRED_RECORDS.inc(first - expected)
            log.error(
                "audio expired unread", partition=tp.partition, records=first - expected, at=first
            )
        self._places[tp.partition] = last + 1, at
        self._waiting.pop(tp.partition, None)

    def begin(self, tp: TopicPartition, offset: int) -> None:
        """Note that the partition will be read from `offset`."""
        self._places[tp.partition] = offset, 0
        self._waiting.pop(tp.partition, None)

    def forget(self) -> None:
        """Forget all partitions: another process owns them now."""
        self.epoch += 1
        self._places.clear()
        self._waiting.clear()
        self._times.clear()
        self._gauges.keep(())

    def not_begun(self, numbers: Iterable[int]) -> set[int]:
        """Return those of the partitions for which no position is known."""
        return set(numbers) - self._places.keys()

    def wait_at(self, offsets: Mapping[int, int]) -> None:
        """Note the partitions that are not being read, each with its first unread offset."""
        self._waiting = dict(offsets)

    def untimed(self, ends: Mapping[int, int]) -> dict[int, int]:
        """Return, by partition, the first unread offset if its timestamp must be passed to
        `note_times`. `ends`: end offset by partition number."""
        unread = {n: offset for n, (offset, at) in self._unread(ends).items() if not at}
        return {n: offset for n, offset in unread.items() if (n, offset) not in self._times}

    def note_times(self, offsets: Mapping[int, int], times: Mapping[int, int]) -> None:
        """Note the timestamps (ms) of records by partition, as far as they were found."""
        self._times |= {(n, offsets[n]): at for n, at in times.items()}

    def position(self) -> int:
        """Return a number that grows whenever records are read."""
        return sum(offset for offset, _ in self._places.values())

    def unread(self, ends: Mapping[int, int]) -> int:
        """Return the number of unread records on the partitions in `ends` (number: end offset) that
        are being read."""
        return sum(max(0, end - self._places[n][0]) for n, end in ends.items() if n in self._places)

    def export(self, ends: Mapping[int, int], now: int) -> None:
        """Set the gauges. `ends`: end offset by partition number; `now`: ms."""
        unread = self._unread(ends)
        ages = {
            n: max(0, now - (at or self._times.get((n, offset), now)))
            for n, (offset, at) in unread.items()
        }
        records = {n: ends[n] - offset for n, (offset, _) in unread.items()}
        age = max(ages.values(), default=0)
        LAG_RECORDS.set(sum(records.values()))
        LAG_SECONDS.set(age / 1000)
        RETENTION_USED.set(age / (MEDIA.retention_ms or age or 1))
        for n in ends:
            self._gauges.show(MEDIA.name, n, records.get(n, 0), ages.get(n, 0) / 1000)

    def _unread(self, ends: Mapping[int, int]) -> dict[int, tuple[int, int]]:
        """Return, for each partition with unread records, the offset of the first one and its
        timestamp (0 if not known)."""
        places = self._places | {n: (offset, 0) for n, offset in self._waiting.items()}
        return {n: place for n, place in places.items() if place[0] < ends.get(n, 0)}


async def committed_offset(consumer: AIOKafkaConsumer, tp: TopicPartition) -> int | None:
    """Return the last committed offset; None if there is none or Kafka does not answer."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            offset: int | None = await consumer.committed(tp)
    except (KafkaError, TimeoutError) as error:
        log.warning("committed offset not known", partition=tp.partition, error=repr(error))
        return None
    return offset


async def first_unread(
    consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, int]:
    """Return the offset from which the group has yet to read each partition: the committed one, or
    that of the first record that is left. Raise `KafkaError` or `TimeoutError`."""
    async with asyncio.timeout(ANSWER_SECONDS):
        starts = await consumer.beginning_offsets(partitions)
        return {tp: max(starts[tp], await consumer.committed(tp) or 0) for tp in partitions}
