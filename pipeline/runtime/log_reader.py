"""Read parts of partitions from one offset to another, for answers and rebuilds from the log.
I/O."""

import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.runtime.kafka import consumer
from pipeline.runtime.settings import Settings
from schemas.topics import Topic

Progress = Callable[[str, int, int], None]
"""Called at intervals with the name of the span, and how many of how many records were read."""

_POLL_MS = 20
"""Short (ms), because a span may end with marks of transactions, which are not delivered as
records."""

_PRINT_EVERY_S = 2.0


class ProgressPrinter:
    """Prints the progress of a long read to standard error."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _PRINT_EVERY_S

    def __call__(self, what: str, done: int, total: int) -> None:
        """Print the progress, at most every 2 s. See `Progress`."""
        if done < total and time.monotonic() >= self._next:
            self._next = time.monotonic() + _PRINT_EVERY_S
            print(f"flexcapture: {what}: {done:,} of {total:,} read", file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Span:
    """Records of a partition. `end` is the offset after the last."""

    partition: TopicPartition
    start: int
    end: int

    @property
    def name(self) -> str:
        """The span's topic and partition as text."""
        return f"{self.partition.topic}, partition {self.partition.partition}"


class Log:
    """Kafka as a log to read back. Call `start` first and `stop` at the end."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self._settings = settings
        self._progress = progress
        self._asked = consumer(settings)  # only for offsets: a fetching consumer answers late

    async def start(self) -> None:
        """Connect. Raise aiokafka's errors if Kafka is unavailable."""
        await self._asked.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._asked.stop()

    async def has(self, topic: Topic) -> bool:
        """Return whether the topic exists. If it does not, the other methods would wait for a long
        time."""
        return self._settings.prefixed(topic.name) in await self._asked.topics()

    async def span(
        self, topic: Topic, number: int, *, since: int | None = None, until: int | None = None
    ) -> Span:
        """Return a partition's records between two log times (ms, `until` exclusive; None: no
        limit), up to the present end for a read-committed consumer. It assumes that log times only
        grow: leave room for clocks that differ."""
        partition = TopicPartition(self._settings.prefixed(topic.name), number)
        start = (await self._asked.beginning_offsets([partition]))[partition]
        end = (await self._asked.end_offsets([partition]))[partition]
        if since is not None:
            start = await self._offset_at(partition, since, end)
        if until is not None:
            end = await self._offset_at(partition, until, end)
        return Span(partition, start, max(start, end))

    async def spans(self, topic: Topic) -> list[Span]:
        """Return the spans of a whole topic, by partition, up to the present read-committed end."""
        name = self._settings.prefixed(topic.name)
        partitions = [TopicPartition(name, number) for number in range(topic.partitions)]
        starts = await self._asked.beginning_offsets(partitions)
        ends = await self._asked.end_offsets(partitions)
        return [Span(each, starts[each], ends[each]) for each in partitions]

    async def _offset_at(self, partition: TopicPartition, at: int, end: int) -> int:
        found = (await self._asked.offsets_for_times({partition: at}))[partition]
        return end if found is None else min(end, found.offset)

    def read(self, wanted: Span) -> AsyncIterator[Any]:
        """Yield the records of the span, in order."""
        return self.read_all([wanted])

    async def read_all(self, spans: Iterable[Span]) -> AsyncIterator[Any]:
        """Yield the records of spans of different partitions, each span's in order."""
        left = {span.partition: span for span in spans if span.start < span.end}
        if not left:
            return
        # A new consumer for each read: after a change of its assignment, a consumer may never stop
        # (aiokafka then swallows the fetcher's cancellation).
        kafka = consumer(self._settings, fetch_max_wait_ms=10)
        try:
            await kafka.start()
            kafka.assign(list(left))
            for partition, span in left.items():
                kafka.seek(partition, span.start)
            while left:
                async for record in self._read(kafka, left):
                    yield record
        finally:
            await kafka.stop()

    async def _read(
        self, kafka: AIOKafkaConsumer, left: dict[TopicPartition, Span]
    ) -> AsyncIterator[Any]:
        """Yield the records of one fetch, and remove the spans that are read from `left`."""
        batches = await kafka.getmany(*left, timeout_ms=_POLL_MS)
        for partition, records in batches.items():
            for record in records:
                if record.offset < left[partition].end:
                    yield record
        for partition, span in tuple(left.items()):
            # After the last record there may be offsets without records: marks of transactions.
            position = await kafka.position(partition)
            if position >= span.end:
                del left[partition]
            done = min(position, span.end) - span.start
            self._progress(span.name, done, span.end - span.start)
