"""Watch the recorder from outside its loop: its lag, and whether its work makes progress."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from agents.recorder.held import HeldPartitions
from agents.recorder.lag import ANSWER_SECONDS, Lag
from pipeline.runtime import kafka

LAG_EVERY_S = 5.0
LONG_ROUND_S = 5.0
"""A round that takes longer than this (s) is waiting for the store or Kafka."""


class RecorderWatch:
    """Measures lag and progress. `done` counts stored, published and committed results; `now` is
    the log's clock (ms)."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        lag: Lag,
        held: HeldPartitions,
        done: Callable[[], int],
        now: Callable[[], int],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._consumer = consumer
        self._lag = lag
        self._held = held
        self._done = done
        self._now = now
        self._clock = clock
        self._ends: dict[int, int] = {}
        self._working_since: float | None = None

    @contextmanager
    def working(self) -> Iterator[None]:
        """Mark that a round is under way."""
        self._working_since = self._clock()
        try:
            yield
        finally:
            self._working_since = None

    def look(self) -> tuple[str, object]:
        """Return a description of the waiting work and a value that changes with progress; see
        `end_if_stuck`."""
        since = self._working_since
        if since is not None and self._clock() - since > LONG_ROUND_S:
            what = "storing, publishing or committing takes too long"
        elif self._lag.unread(self._ends):
            what = "records of media wait to be read"
        else:
            what = ""
        return what, (self._done(), self._lag.position())

    async def measure_lag(self) -> None:
        """Measure the lag every few seconds. Never returns."""
        while True:
            await asyncio.sleep(LAG_EVERY_S)
            ours = self._consumer.assignment()
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    ends = await kafka.end_offsets(self._consumer, ours)
            except (KafkaError, TimeoutError):
                self._ends = {}
                continue
            found = {tp.partition: end for tp, end in ends.items()}
            self._lag.export(found, self._now())
            self._ends = {number: end for number, end in found.items() if number not in self._held}
