"""Check the gateways' reports on `stream.events` for each media stream that Twilio started.

A plain consumer without a group reads all partitions, from shortly before the process began. A
media stream counts as missing only after all records written until its deadline have been read, so
neither a slow reader nor an unavailable broker raises the alarm.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents.twilio_adapter.metrics import STARTED_WITHOUT_SOCKET
from pipeline.runtime.kafka import IDLE_FETCH_MS, consumer, end_offsets
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from pipeline.streams.arrivals import Arrivals, MissingSocket
from schemas.codec import Undecodable, decode, type_of
from schemas.records import (
    CommandAnswered,
    HandshakeRefused,
    MediaStreamChanged,
    MediaStreamOpened,
)
from schemas.topics import STREAM_EVENTS

log = structlog.get_logger(__name__)

LOOK_BACK_MS = 120_000
"""How far back reports are read at the start. A command that a killed process had begun is
repeated, and its media stream may have arrived before."""
RETRY_S = 1.0


_WANTED = frozenset(
    record.__name__ for record in (MediaStreamOpened, MediaStreamChanged, HandshakeRefused)
)
_ENDING = frozenset({"stopping", "stopped"})


class ArrivalWatch:
    """Sets the process's health to bad while started media streams reach no gateway. `now`: the
    log's clock, ms."""

    def __init__(self, settings: Settings, health: Health, now: Callable[[], int]) -> None:
        self._now = now
        self._settings = settings
        self._health = health
        self._arrivals = Arrivals()
        self._goal: tuple[int, dict[TopicPartition, int]] | None = None

    def answered(self, answer: CommandAnswered) -> None:
        """Note an answer of this process. Only a start for which Twilio returned a SID counts. If
        Twilio says that the media stream exists already, it may not be running."""
        if answer.command == "start" and answer.outcome == "done" and answer.stream_sid:
            self._arrivals.started(answer.task_sid, answer.generation, self._now())

    def take(self, record: object, now: int) -> None:
        """Note a record of `stream.events` that was written at `now` (ms)."""
        match record:
            case MediaStreamOpened():
                self._arrivals.opened(record.task_sid, record.generation, now)
            case MediaStreamChanged() if record.state in _ENDING:
                self._arrivals.stopped(record.task_sid, record.generation)
            case HandshakeRefused():
                self._arrivals.refused(record.task_sid, record.generation, record.reason)
            case _:
                pass

    def look(self, read_until: int | None, now: int) -> None:
        """Update the health and the count of missing media streams. `read_until`: the time up to
        which all reports have been read; None: unknown."""
        if read_until is not None:
            STARTED_WITHOUT_SOCKET.inc(self._arrivals.expire(read_until))
        missing = self._arrivals.missing(now)
        if missing is None:
            self._health.good("gateway")
            return
        text = _text(missing)
        if self._health.reasons.get("gateway") != text:
            log.error("started media streams reach no gateway", problem=text)
        self._health.bad("gateway", text)

    async def follow(self) -> None:
        """Read and check until cancelled. Check nothing while Kafka is unavailable."""
        while True:
            try:
                await self._read()
            except (KafkaError, TimeoutError) as error:
                log.warning("cannot read stream.events; trying again soon", error=repr(error))
            except Exception:
                # This is a health check: a fault in it must not end the process.
                log.exception("cannot read stream.events; trying again soon")
            self._goal = None
            self._arrivals.postpone(self._now())
            await asyncio.sleep(RETRY_S)

    async def _read(self) -> None:
        source: AIOKafkaConsumer = consumer(self._settings, fetch_max_wait_ms=IDLE_FETCH_MS)
        try:
            await source.start()
            topic = self._settings.prefixed(STREAM_EVENTS.name)
            partitions = [TopicPartition(topic, p) for p in range(STREAM_EVENTS.partitions)]
            source.assign(partitions)
            await _seek_back(source, partitions, self._now() - LOOK_BACK_MS)
            while True:
                batches = await source.getmany(timeout_ms=1_000)
                now = self._now()
                for record in (record for records in batches.values() for record in records):
                    self._decode(record, now)
                self.look(await self._read_until(source, partitions, now), now)
        finally:
            await source.stop()

    def _decode(self, record: Any, now: int) -> None:
        if record.value is None or type_of(record.value) not in _WANTED:
            return
        try:
            # Not the time of reading: an old report does not cover later events.
            self.take(decode(record.value), min(now, record.timestamp))
        except Undecodable as error:
            log.warning("cannot read a report: skipped", offset=record.offset, error=str(error))

    async def _read_until(
        self, source: AIOKafkaConsumer, partitions: list[TopicPartition], now: int
    ) -> int | None:
        """Return when the partitions' ends were last fetched, once all records up to them have been
        read; else None. They are fetched only if a media stream is due."""
        if self._goal is None:
            if self._arrivals.is_due(now):
                ends = await end_offsets(source, partitions)
                if len(ends) == len(partitions):
                    self._goal = now, ends
                else:  # a partition without a leader may have unread reports
                    self._arrivals.postpone(now)
            return None
        at, ends = self._goal
        for partition, end in ends.items():
            if await source.position(partition) < end:
                return None
        self._goal = None
        return at


async def _seek_back(
    source: AIOKafkaConsumer, partitions: list[TopicPartition], since: int
) -> None:
    """Seek each partition to time `since` (ms). One without a leader is read from its beginning
    once it has a leader."""
    ends = await end_offsets(source, partitions)
    found = await source.offsets_for_times(dict.fromkeys(ends, since)) if ends else {}
    for partition, end in ends.items():
        first = found.get(partition)
        source.seek(partition, end if first is None else first.offset)


def _text(missing: MissingSocket) -> str:
    refused = f" (handshakes refused: {', '.join(missing.refusals)})" if missing.refusals else ""
    were = "media stream was" if missing.count == 1 else "media streams were"
    return (
        f"{missing.count} {were} started and reached no gateway{refused}: check "
        "FLEXCAPTURE_GATEWAY_PUBLIC_URL, the load balancer and its certificate, the firewall, and "
        "that gateways run with the same FLEXCAPTURE_TWILIO_AUTH_TOKEN and reach Kafka"
    )
