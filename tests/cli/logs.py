"""Kafka as a log in memory, for commands that read topics back."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition

from pipeline.runtime.kafka import partition_of
from pipeline.runtime.log_reader import Progress, Span
from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.topics import Topic


@dataclass(frozen=True)
class LogRecord:
    """A record as aiokafka gives it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass
class MemoryLog:
    """A log of some topics. Give it in place of the class `Log`: a call returns the log itself.
    `asked`: the spans that were read; `error`: raised by `start`."""

    topics: dict[str, list[LogRecord]] = field(default_factory=dict)
    asked: list[Span] = field(default_factory=list)
    error: Exception | None = None
    is_open: bool = False
    prefix: str = ""

    def __call__(self, settings: Settings, _: Progress) -> "MemoryLog":
        self.prefix = settings.topic_prefix
        return self

    def add(
        self, topic: Topic, at: int, record: Any, key: bytes | None = None, **more: Any
    ) -> LogRecord:
        """Append a record with its log time (ms), to the partition of its key unless another one is
        given."""
        partition = more.pop("partition", None)
        number = partition_of(key or b"", topic.partitions) if partition is None else partition
        records = self.topics.setdefault(topic.name, [])
        offset = sum(each.partition == number for each in records)
        value = record if isinstance(record, bytes | None) else encode(record)
        made = LogRecord(topic.name, number, offset, at, key, value, **more)
        records.append(made)
        return made

    async def start(self) -> None:
        if self.error is not None:
            raise self.error
        self.is_open = True

    async def stop(self) -> None:
        self.is_open = False

    async def has(self, topic: Topic) -> bool:
        return topic.name in self.topics

    async def span(
        self, topic: Topic, number: int, *, since: int | None = None, until: int | None = None
    ) -> Span:
        of = [each for each in self.topics.get(topic.name, []) if each.partition == number]
        start = next((e.offset for e in of if since is None or e.timestamp >= since), len(of))
        end = next((e.offset for e in of if until is not None and e.timestamp >= until), len(of))
        return Span(TopicPartition(self.prefix + topic.name, number), start, max(start, end))

    async def spans(self, topic: Topic) -> list[Span]:
        return [await self.span(topic, number) for number in range(topic.partitions)]

    async def read(self, wanted: Span) -> AsyncIterator[LogRecord]:
        async for record in self.read_all([wanted]):
            yield record

    async def read_all(self, spans: Iterable[Span]) -> AsyncIterator[LogRecord]:
        assert self.is_open
        for span in spans:
            self.asked.append(span)
            name = span.partition.topic.removeprefix(self.prefix)
            for record in list(self.topics.get(name, [])):
                same = record.partition == span.partition.partition
                if same and span.start <= record.offset < span.end:
                    yield record
