"""Measure how far the recorder is behind on `media`, and count records that expired unread."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Counter, Gauge

from schemas.topics import MEDIA

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 5.0
LAG_RECORDS = Gauge(
    "flexcapture_recorder_lag_records", "Records of media that this process has not read yet"
)
LAG_SECONDS = Gauge(
    "flexcapture_recorder_lag_seconds",
    "Age of the oldest record that this process has not read yet, 0 if there is none",
)
RETENTION_USED = Gauge(
    "flexcapture_recorder_retention_used_ratio",
    "Age of the oldest unread record divided by media's retention; at 1 audio is deleted unread",
)
EXPIRED = Counter(
    "flexcapture_recorder_expired_records_total",
    "Records of media that were deleted before they were read",
)


@dataclass(slots=True)
class Lag:
    """This process's position on each partition: the next offset to read, and the Kafka timestamp
    (ms) of the last record read."""

    _places: dict[int, tuple[int, int]] = field(default_factory=dict)

    def read(self, tp: TopicPartition, first: int, last: int, at: int) -> None:
        """Note that records `first` to `last` were read, the last with timestamp `at`. Missing
        records before them have expired: offsets of `media` have no other gaps."""
        expected, _ = self._places.get(tp.partition, (first, 0))
        if first > expected:
            EXPIRED.inc(first - expected)
            log.error(
                "audio expired unread", partition=tp.partition, records=first - expected, at=first
            )
        self._places[tp.partition] = last + 1, at

    def begin(self, tp: TopicPartition, offset: int) -> None:
        """Note that the partition will be read from `offset`."""
        self._places[tp.partition] = offset, self._places.get(tp.partition, (0, 0))[1]

    def forget(self) -> None:
        """Forget all partitions: another process owns them now."""
        self._places.clear()

    def position(self) -> int:
        """Return a number that grows whenever records are read."""
        return sum(offset for offset, _ in self._places.values())

    def unread(self, ends: Mapping[int, int]) -> int:
        """Return the number of unread records on the partitions in `ends` (number: end offset)."""
        return sum(max(0, end - self._places[n][0]) for n, end in ends.items() if n in self._places)

    def export(self, ends: Mapping[int, int], now: int) -> None:
        """Set the gauges. `ends`: end offset by partition number; `now`: ms."""
        oldest = now
        for number, (offset, at) in self._places.items():
            if ends.get(number, 0) > offset:
                oldest = min(oldest, at or now)
        age = max(0, now - oldest)
        LAG_RECORDS.set(self.unread(ends))
        LAG_SECONDS.set(age / 1000)
        RETENTION_USED.set(age / (MEDIA.retention_ms or age or 1))


async def committed_offset(consumer: AIOKafkaConsumer, tp: TopicPartition) -> int | None:
    """Return the last committed offset; None if there is none or Kafka does not answer."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            offset: int | None = await consumer.committed(tp)
    except (KafkaError, TimeoutError) as error:
        log.warning("committed offset not known", partition=tp.partition, error=repr(error))
        return None
    return offset
