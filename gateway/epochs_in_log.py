"""Find a gateway's highest epoch in the log, for a gateway without a reserved epoch."""

import asyncio
import itertools

import structlog
from aiokafka.errors import KafkaError

from pipeline.runtime.log_reader import Log
from pipeline.runtime.settings import Settings
from pipeline.streams.gateway_liveness import FORGET_MS
from schemas.codec import Undecodable, decode, encode, type_of
from schemas.records import GatewayAlive, GatewayStarted
from schemas.topics import GATEWAYS_ALIVE, STREAM_EVENTS, Topic

log = structlog.get_logger(__name__)

LOOK_BACK_MS = FORGET_MS + 5 * 60_000
"""Stream managers remember a gateway's epoch for an hour after its last record."""
PARTITION_S = 10.0
"""A partition that is not read within this time may have no leader: the next one is read."""
RETRY_S = 1.0
_HEAD_BYTES = 5
"""Zero byte and schema id."""


async def latest_epoch(
    settings: Settings, instance: str, now: int, stop: asyncio.Event
) -> int | None:
    """Return the gateway's highest epoch on `gateways.alive` and `stream.events` in the
    `LOOK_BACK_MS` before `now` (ms, log time), or None if there is none or `stop` is set. Wait
    while Kafka is away.

    Gateways write their epochs to every partition, so one readable partition of each topic is
    enough. `stream.events` has the epochs that began, and all announcements of gateways of earlier
    releases.
    """
    since = now - LOOK_BACK_MS
    known = [
        await _latest_on(topic, settings, instance, since, stop)
        for topic in (GATEWAYS_ALIVE, STREAM_EVENTS)
    ]
    if stop.is_set():
        return None
    return max((epoch for epoch in known if epoch is not None), default=None)


async def _latest_on(
    topic: Topic, settings: Settings, instance: str, since: int, stop: asyncio.Event
) -> int | None:
    for number in itertools.cycle(range(topic.partitions)):
        if stop.is_set():
            return None
        try:
            async with asyncio.timeout(PARTITION_S):
                return await _latest_of(settings, instance, topic, number, since)
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning(
                "cannot read earlier epochs; trying the next partition",
                topic=topic.name,
                partition=number,
                error=repr(error),
            )
            await asyncio.sleep(RETRY_S)
    raise AssertionError


async def _latest_of(
    settings: Settings, instance: str, topic: Topic, partition: int, since: int
) -> int | None:
    own = Announcements(instance)
    latest: int | None = None
    reader = Log(settings, lambda *_: None)
    try:
        await reader.start()
        span = await reader.span(topic, partition, since=since)
        async for record in reader.read(span):
            if (epoch := epoch_in(record.value, own)) is not None:
                latest = epoch if latest is None else max(latest, epoch)
    finally:
        await reader.stop()
    return latest


class Announcements:
    """Recognizes the announcements of one gateway, whatever their epoch and time, without decoding
    them."""

    def __init__(self, instance: str) -> None:
        # Epoch and time are the last fields: 0 is one byte in Avro. A schema may have several ids.
        records = (GatewayAlive(instance, 0, 0), GatewayStarted(instance, 0, 0))
        self._beginnings = {
            type(record).__name__: encode(record)[_HEAD_BYTES:-2] for record in records
        }

    def has(self, value: bytes) -> bool:
        """Return whether the record in wire format is an announcement of the gateway."""
        beginning = self._beginnings.get(type_of(value) or "")
        return beginning is not None and value.startswith(beginning, _HEAD_BYTES)


def epoch_in(value: bytes | None, own: Announcements) -> int | None:
    """Return the epoch of an announcement of the gateway, None for any other record."""
    if value is None or not own.has(value):
        return None
    try:
        epoch: int = decode(value).epoch
    except Undecodable:
        return None
    return epoch
