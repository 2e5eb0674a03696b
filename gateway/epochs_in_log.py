"""The greatest epoch of a gateway on `stream.events`, for a gateway that keeps none itself."""

import asyncio
import itertools

import structlog
from aiokafka.errors import KafkaError

from pipeline.runtime.log_reader import Log
from pipeline.runtime.settings import Settings
from pipeline.streams.gateway_liveness import FORGET_MS
from schemas.codec import Undecodable, decode, encode
from schemas.records import GatewayAlive, GatewayStarted
from schemas.topics import STREAM_EVENTS

log = structlog.get_logger(__name__)

LOOK_BACK_MS = FORGET_MS + 5 * 60_000
"""Stream managers remember a gateway's epoch for an hour after they heard of it last."""
PARTITION_S = 10.0
"""A partition that was not read within this has no leader, say: another one is read."""
RETRY_S = 1.0


async def latest_epoch(
    settings: Settings, instance: str, now: int, stop: asyncio.Event
) -> int | None:
    """Return the greatest epoch of the gateway on `stream.events` in the hour before `now` (ms, log
    time); None: there was none, or `stop` was set. While Kafka is away it waits.

    Gateways write their epochs to every partition, so one that can be read is enough."""
    for partition in itertools.cycle(range(STREAM_EVENTS.partitions)):
        if stop.is_set():
            return None
        try:
            async with asyncio.timeout(PARTITION_S):
                return await _latest_of(settings, instance, partition, now - LOOK_BACK_MS)
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("earlier epochs cannot be read", partition=partition, error=repr(error))
            await asyncio.sleep(RETRY_S)
    raise AssertionError


async def _latest_of(settings: Settings, instance: str, partition: int, since: int) -> int | None:
    beginnings = beginnings_of(instance)
    latest: int | None = None
    reader = Log(settings, lambda *_: None)
    try:
        await reader.start()
        span = await reader.span(STREAM_EVENTS, partition, since=since)
        async for record in reader.read(span):
            if (epoch := epoch_in(record.value, beginnings)) is not None:
                latest = epoch if latest is None else max(latest, epoch)
    finally:
        await reader.stop()
    return latest


def beginnings_of(instance: str) -> tuple[bytes, ...]:
    """Return how the announcements of that gateway begin, whatever their epoch and time."""
    # Epoch and time are the last fields: 0 is one byte in Avro.
    records = (GatewayAlive(instance, 0, 0), GatewayStarted(instance, 0, 0))
    return tuple(encode(record)[:-2] for record in records)


def epoch_in(value: bytes | None, beginnings: tuple[bytes, ...]) -> int | None:
    """Return the epoch in an announcement that begins so; None: it is something else."""
    if value is None or not value.startswith(beginnings):
        return None
    try:
        epoch: int = decode(value).epoch
    except Undecodable:
        return None
    return epoch
