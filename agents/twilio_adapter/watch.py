"""Measure the adapter's lag, and whether its work makes progress."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from agents.partition_lag import ANSWER_SECONDS, LOOK_EVERY_S, PartitionLag, read_and_ends
from agents.twilio_adapter.lanes import Lanes
from agents.twilio_adapter.metrics import LAG_RECORDS, LAG_SECONDS
from pipeline.runtime.telemetry import Health

SLOW_S = 10.0


class Publishing:
    """Tracks answers that are being published and that Kafka has not accepted yet."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._count = 0
        self._under_way: dict[int, tuple[str, float]] = {}

    @contextmanager
    def to(self, topic: str) -> Iterator[None]:
        """Count an answer as being published inside the `with` block."""
        self._count += 1
        number = self._count
        self._under_way[number] = topic, self._clock()
        try:
            yield
        finally:
            del self._under_way[number]

    def show(self, health: Health) -> None:
        """Warn of answers that Kafka does not accept, for example because their partition has no
        leader."""
        now = self._clock()
        slow = [topic for topic, since in self._under_way.values() if now - since > SLOW_S]
        if slow:
            topics = ", ".join(sorted(set(slow)))
            text = f"Kafka has not taken {len(slow)} answers for {SLOW_S:.0f} s, on {topics}"
            health.warn("kafka-partitions", text)
        else:
            health.clear_warning("kafka-partitions")


class AdapterWatch:
    """Measures lag and progress. `overdue` returns the number of a request to Twilio that should
    have timed out, or None; `now` is the log's clock, ms; `lag` shows the lag by partition."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        lanes: Lanes,
        overdue: Callable[[], int | None],
        now: Callable[[], int],
        lag: PartitionLag,
    ) -> None:
        self._now = now
        self._lag = lag
        self._consumer = consumer
        self._lanes = lanes
        self._overdue = overdue
        self._ends: dict[int, int] = {}

    def look(self) -> tuple[str, object]:
        """Return which work waits and how far it has come: see `end_if_stuck`."""
        if (number := self._overdue()) is not None:
            return "a request to Twilio has not ended despite its time-out", number
        read = self._lanes.read_up_to()
        if any(end > read[n] for n, end in self._ends.items() if n in read):
            return "commands wait to be read", (read, self._lanes.committable())
        return "", None

    async def measure_lag(self) -> None:
        """Measure the lag every few seconds. Never return."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    read, ends = await read_and_ends(self._consumer)
            except (KafkaError, TimeoutError):
                self._ends = {}
                continue
            self._ends = {tp.partition: end for tp, end in ends.items()}
            done = self._lanes.committable()
            waiting = (end - done[n] for n, end in self._ends.items() if n in done)
            oldest = self._lanes.oldest()
            LAG_RECORDS.set(sum(max(0, records) for records in waiting))
            LAG_SECONDS.set(0 if oldest is None else max(0, self._now() - oldest) / 1000)
            places = {tp: done.get(tp.partition, place) for tp, place in read.items()}
            await self._lag.show(places, ends)
