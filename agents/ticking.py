"""Send ticks, independently for each partition."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, Protocol

from schemas.codec import encode
from schemas.records import Tick


class Sends(Protocol):
    """The part of a producer that ticks need."""

    def send_and_wait(
        self, topic: str, value: bytes, *, partition: int
    ) -> Coroutine[Any, Any, None]:
        """Return once the broker has the record. Raise `KafkaError`."""
        ...


class Ticking:
    """Sends the next tick to a partition only after Kafka has accepted the one before. A slow
    partition does not delay others."""

    def __init__(self, sender: Sends, topic: str) -> None:
        self._sender = sender
        self._topic = topic
        self._under_way: dict[int, asyncio.Task[None]] = {}

    def tick(self, partitions: Iterable[int], at: int) -> None:
        """Send a tick with time `at` (ms) to each partition that has none pending. Raise the error
        of an earlier tick."""
        value = encode(Tick(at=at))
        for partition in sorted(partitions):
            earlier = self._under_way.pop(partition, None)
            if earlier is not None and not earlier.done():
                self._under_way[partition] = earlier
                continue
            if earlier is not None:
                earlier.result()
            sending = self._sender.send_and_wait(self._topic, value, partition=partition)
            self._under_way[partition] = asyncio.ensure_future(sending)
