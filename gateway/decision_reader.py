"""Read the stream managers' decisions from `stream.events`, for `gateway.admission.decisions`.

Every gateway reads the whole topic, without a consumer group: a media stream may connect to any
gateway. While Kafka is unavailable, decisions arrive later; nothing else changes.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from gateway.admission.decisions import RecordingDecisions
from gateway.epochs_in_log import Announcements
from gateway.metrics import DECISIONS_READ
from gateway.sessions import MediaSession
from pipeline.runtime.kafka import GATHERED_BYTES, consumer, end_offsets
from pipeline.runtime.settings import Settings
from schemas import codec
from schemas.records import GatewayAlive, GatewayStarted, RecordingDecided
from schemas.topics import GATEWAYS_ALIVE, STREAM_EVENTS

log = structlog.get_logger(__name__)

BACK_MS = 120_000
"""How far back reading starts. Earlier decisions have already led to stop requests."""
FETCH_MS = 1_500
"""`fetch.max.wait.ms`: few fetches leave CPU time for audio. Decisions are not urgent, because
sockets are closed 3 s after them."""
POLL_MS = 5_000
ALIVE_PARTITIONS = range(0, GATEWAYS_ALIVE.partitions, 8)
"""The partitions of `gateways.alive` that are read, to notice another gateway with the same name.
Each partition has the records of all gateways; it is rare that three have no leader at the same
time."""
RETRY_S = 1.0
STOP_S = 2.0


class DecisionFollower:
    """Reads decisions until it is cancelled.

    `started`: this life of this gateway. Its own `GatewayAlive` records on `stream.events` show how
    far a partition has been read. `clock`: log time, ms. `replaced_by` is called with the epoch of
    another gateway that has the same name and started later.
    """

    def __init__(
        self,
        settings: Settings,
        decisions: RecordingDecisions[MediaSession],
        started: GatewayStarted,
        clock: Callable[[], int],
        replaced_by: Callable[[int], None],
    ) -> None:
        self._replaced_by = replaced_by
        self._settings = settings
        self._decisions = decisions
        self._started = started
        self._clock = clock
        self._events = settings.prefixed(STREAM_EVENTS.name)
        alive = settings.prefixed(GATEWAYS_ALIVE.name)
        self._partitions = [
            *(TopicPartition(self._events, n) for n in range(STREAM_EVENTS.partitions)),
            *(TopicPartition(alive, n) for n in ALIVE_PARTITIONS),
        ]
        self._positions: dict[TopicPartition, int] = {}
        self._own = Announcements(started.gateway)

    async def run(self) -> None:
        """Read until cancelled. After an error, resume at the last position with a new consumer."""
        while True:
            reader = consumer(
                self._settings, fetch_max_wait_ms=FETCH_MS, fetch_min_bytes=GATHERED_BYTES
            )
            try:
                await reader.start()
                await self._read(reader)
            except KafkaError as error:
                log.warning("cannot read recording decisions; trying again", error=repr(error))
            except Exception:  # no fault here may end the sockets
                log.exception("cannot read recording decisions; trying again")
            finally:
                await _stop(reader)
            await asyncio.sleep(RETRY_S)

    async def _read(self, reader: AIOKafkaConsumer) -> None:
        if not self._positions:
            self._positions = await self._start_positions(reader)
        reader.assign(self._partitions)
        for partition, offset in self._positions.items():
            reader.seek(partition, offset)
        while True:
            for partition, records in (await reader.getmany(timeout_ms=POLL_MS)).items():
                for record in records:
                    self._take_in(record)
                self._positions[partition] = records[-1].offset + 1

    async def _start_positions(self, reader: AIOKafkaConsumer) -> dict[TopicPartition, int]:
        """Return the start offsets. A partition without a leader is left out; it is read from its
        beginning once it has one."""
        since = self._clock() - BACK_MS
        # In this order, so that a record written between the two requests is not skipped.
        ends = await end_offsets(reader, self._partitions)
        found = await reader.offsets_for_times(dict.fromkeys(ends, since)) if ends else {}
        return {
            partition: end if (at := found[partition]) is None else at.offset
            for partition, end in ends.items()
        }

    def _take_in(self, record: Any) -> None:
        # Only decisions and this gateway's own announcements are decoded: few of the records.
        value = record.value or b""
        if codec.type_of(value) != RecordingDecided.__name__ and not self._own.has(value):
            return
        try:
            event = codec.decode(record.value)
        except codec.Undecodable as error:
            log.warning("unreadable record", offset=record.offset, error=str(error))
            return
        match event:
            case RecordingDecided():
                DECISIONS_READ.inc()
                self._decisions.decided(event, record.partition, self._clock())
            case GatewayAlive(self._started.gateway, self._started.epoch, at):
                # On another topic it shows nothing about the partition of the same number.
                if record.topic == self._events:
                    self._decisions.read_up_to(record.partition, at)
            case GatewayAlive() | GatewayStarted() if event.gateway == self._started.gateway:
                if event.epoch > self._started.epoch:
                    self._replaced_by(event.epoch)
            case _:
                pass


async def _stop(reader: AIOKafkaConsumer) -> None:
    try:
        async with asyncio.timeout(STOP_S):
            await reader.stop()
    except (TimeoutError, KafkaError) as error:
        log.warning("consumer did not stop", error=repr(error))
