"""The gateway's own sessions, publishers and spill, by the log's clock instead of the machine's."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from gateway.publishing.publisher import Publisher
from gateway.publishing.spill import Spills
from gateway.sessions import MediaSessions
from schemas.records import GatewayStarted
from schemas.topics import CALL_PARTITIONS, MEDIA, STREAM_EVENTS

BUFFER_BYTES = 8 * 1024 * 1024
SMALL_BUFFER_BYTES = 256 * 1024
SPILL_BYTES = 2 * 1024 * 1024 * 1024


@dataclass(slots=True)
class LogClock:
    """The log's clock, ms since the epoch. It is moved on by hand."""

    now: int

    def seconds(self) -> float:
        """The same in seconds."""
        return self.now / 1000


class Line:
    """A gateway's way to Kafka, which can be cut: in place of a producer of its own. Records get
    the log's time as their Kafka timestamp."""

    def __init__(self, producer: AIOKafkaProducer, clock: LogClock) -> None:
        self._producer = producer
        self._clock = clock
        self.is_cut = False

    async def start(self) -> None:
        """Connect. Raise `KafkaConnectionError` while the line is cut."""
        if self.is_cut:
            raise KafkaConnectionError("cut off")

    async def stop(self) -> None:
        """Do nothing: the producer is shared."""

    async def send(self, topic: str, value: bytes, **options: Any) -> asyncio.Future[Any]:
        """Send a record, as aiokafka's producer does. Raise `KafkaConnectionError` if cut off."""
        if self.is_cut:
            raise KafkaConnectionError("cut off")
        options["timestamp_ms"] = self._clock.now
        answer: asyncio.Future[Any] = await self._producer.send(topic, value, **options)
        return answer


@dataclass(slots=True)
class DayGateway:
    """One life of a gateway. `begin` it; then `kill` it, or `end` it."""

    name: str
    epoch: int
    clock: LogClock
    line: Line
    directory: Path
    prefix: str
    spill_bytes: int = SPILL_BYTES
    buffer_bytes: int = BUFFER_BYTES
    sessions: MediaSessions = field(init=False)
    _media: Publisher = field(init=False)
    _events: Publisher = field(init=False)
    _spills: Spills = field(init=False)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def begin(self) -> None:
        """Take over the spill of an earlier life, and announce this one behind it."""
        self._spills = Spills(self.directory / self.name, self.spill_bytes)
        options: dict[str, Any] = {"limit": self.buffer_bytes, "clock": self.clock.seconds}
        self._media = Publisher(lambda: self.line, spills=self._spills, **options)  # type: ignore[arg-type,return-value]
        self._events = Publisher(lambda: self.line, **options)  # type: ignore[arg-type,return-value]
        self.sessions = MediaSessions(
            self._media,
            self._events,
            media_topic=self.prefix + MEDIA.name,
            events_topic=self.prefix + STREAM_EVENTS.name,
            instance=self.name,
            epoch=self.epoch,
            account_sid=None,
            correction=lambda: None,
        )
        started = GatewayStarted(self.name, self.epoch, self.clock.now)
        for partition in range(CALL_PARTITIONS):
            for publisher, topic in ((self._media, MEDIA), (self._events, STREAM_EVENTS)):
                publisher.publish(self.prefix + topic.name, None, started, partition=partition)
        self._tasks = [asyncio.create_task(each.run()) for each in (self._media, self._events)]

    @property
    def is_behind(self) -> bool:
        """Return whether so much waits in memory that the day must pause."""
        return self._media._lanes.room.used > self.buffer_bytes // 2 and not self._spills.is_full

    @property
    def waits(self) -> bool:
        """Whether Kafka has not acknowledged everything."""
        return self._media.waiting_for() > 0 or self._events.waiting_for() > 0

    async def kill(self) -> None:
        """End it as SIGKILL does: nothing that is in memory is written."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        self._spills.close()

    async def end(self) -> None:
        """Wait until Kafka has everything, and end."""
        for publisher in (self._media, self._events):
            await publisher.flushed(60)
            publisher.stop()
        await asyncio.gather(*self._tasks)
