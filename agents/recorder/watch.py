"""How far the recorder is behind, and whether what it does moves, seen from beside its loop."""

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
"""A round that takes longer waits for something outside."""


class RecorderWatch:
    """Measures. `done` counts what was stored, published and committed; `now` is the log's clock,
    ms."""

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
        """A round is under way."""
        self._working_since = self._clock()
        try:
            yield
        finally:
            self._working_since = None

    def look(self) -> tuple[str, object]:
        """Return what waits, and what was done: see `end_if_stuck`."""
        since = self._working_since
        if since is not None and self._clock() - since > LONG_ROUND_S:
            what = "storing, publishing or committing does not end"
        elif self._lag.unread(self._ends):
            what = "records of media wait to be read"
        else:
            what = ""
        return what, (self._done(), self._lag.position())

    async def measure_lag(self) -> None:
        """Ask, every few seconds, how much there is to be read. Never returns."""
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
