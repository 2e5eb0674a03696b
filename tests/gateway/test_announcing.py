"""The announcement of a gateway's epoch on every partition."""

import asyncio
from typing import Any

from gateway.announcing import ANNOUNCED_S, announced
from schemas.records import GatewayAlive, GatewayStarted
from schemas.topics import CALL_PARTITIONS
from tests.virtual_time import virtually

STARTED = GatewayStarted("gateway-0", 7, 7)


class Kafka:
    """Acknowledges all records after `seconds`. `was_acknowledged`: whether it acknowledged others
    before."""

    def __init__(self, seconds: float, *, was_acknowledged: bool = False) -> None:
        self.taken: list[tuple[str, bytes | None, Any, int | None]] = []
        self.was_acknowledged = was_acknowledged
        self._at = asyncio.get_running_loop().time() + seconds

    def publish(
        self,
        topic: str,
        key: bytes | None,
        record: GatewayStarted | GatewayAlive,
        *,
        partition: int | None = None,
    ) -> bool:
        self.taken.append((topic, key, record, partition))
        return True

    async def flushed(self, seconds: float) -> bool:
        left = self._at - asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, min(left, seconds)))
        return left <= seconds


def announce(
    seconds: float, *, was_acknowledged: bool = False, stopped_after: float = 1e6
) -> tuple[bool, float]:
    """Announce to Kafka with a patience of 60 s. Return the result, and after which time."""

    async def run() -> tuple[bool, float]:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        began = loop.time()
        loop.call_later(stopped_after, stop.set)
        kafka = Kafka(seconds, was_acknowledged=was_acknowledged)
        result = await announced(kafka, "media", STARTED, stop, 60)
        expected = [("media", None, STARTED, n) for n in range(CALL_PARTITIONS)]
        assert expected == kafka.taken
        return result, loop.time() - began

    return virtually(run())


def test_the_announcement_is_on_every_partition_once() -> None:
    """The gateway opens as soon as all of them have it."""
    assert (True, 2.5) == announce(2.5)


def test_a_partition_without_a_leader_delays_a_gateway_for_seconds() -> None:
    """Kafka takes other records: that partition gets the announcement later."""
    assert (True, ANNOUNCED_S) == announce(1e5, was_acknowledged=True)
    assert (True, 3.0) == announce(3.0, was_acknowledged=True)


def test_a_gateway_opens_without_kafka_when_its_patience_is_over() -> None:
    """The audio is buffered until Kafka is back."""
    assert (True, 60) == announce(1e5)


def test_a_gateway_that_is_stopped_does_not_open() -> None:
    """It notices within a second."""
    assert (False, 11) == announce(1e5, stopped_after=10.5)
