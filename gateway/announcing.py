"""Announce the epoch of a gateway on every partition."""

import asyncio
from typing import Protocol

import structlog

from schemas.records import GatewayAlive, GatewayStarted
from schemas.topics import CALL_PARTITIONS

log = structlog.get_logger(__name__)


ANNOUNCED_S = 5
"""How long (s) a starting gateway waits for partitions that accept no records."""


class Announcer(Protocol):
    """The methods of `Publisher` that an announcement uses."""

    def publish(
        self,
        topic: str,
        key: bytes | None,
        record: GatewayStarted | GatewayAlive,
        *,
        partition: int | None = None,
    ) -> bool:
        """Put a record into the buffer; see `Publisher.publish`."""

    async def flushed(self, seconds: float) -> bool:
        """Wait at most `seconds`. Return whether all records are acknowledged."""

    @property
    def was_acknowledged(self) -> bool:
        """Whether Kafka has ever acknowledged a record."""


async def announced(
    publisher: Announcer,
    topic: str,
    started: GatewayStarted,
    stop: asyncio.Event,
    patience_s: float,
) -> bool:
    """Return True once every partition has acknowledged the announcement, or after `patience_s`
    seconds; False if `stop` is set first.

    If Kafka takes other records, the wait ends after `ANNOUNCED_S` seconds: a partition without a
    leader gets the announcement later, before any other record.
    """
    broadcast(publisher, topic, started)
    tries = 0
    while not await publisher.flushed(1):
        if stop.is_set():
            return False
        tries += 1
        if publisher.was_acknowledged and tries >= ANNOUNCED_S:
            log.warning("some partitions have not accepted the announcement: it is repeated later")
            return True
        if tries >= patience_s:
            log.warning("Kafka is unavailable: accepting media streams and buffering their audio")
            return True
    return True


def broadcast(publisher: Announcer, topic: str, record: GatewayStarted | GatewayAlive) -> None:
    """Publish a record on every partition of the topic."""
    for partition in range(CALL_PARTITIONS):
        publisher.publish(topic, None, record, partition=partition)
