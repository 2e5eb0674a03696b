"""Watch the recorder from outside its loop: its lag, and whether its work makes progress."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents.partition_lag import ANSWER_SECONDS
from agents.recorder.held import HeldPartitions
from agents.recorder.lag import Lag, first_unread
from pipeline.runtime import kafka

LAG_EVERY_S = 5.0
ASSIGNED_S = 0.5
"""Interval (s) between checks for the first partitions."""
Timestamps = Callable[[Mapping[TopicPartition, int]], Awaitable[Mapping[TopicPartition, int]]]
LONG_ROUND_S = 5.0
"""A round that takes longer than this (s) is waiting for the store or Kafka."""


class RecorderWatch:
    """Measures lag and progress. `done` counts stored, published and committed results; `now` is
    the log's clock (ms); `timestamps` looks records up: see `lag.timestamps`."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        lag: Lag,
        held: HeldPartitions,
        done: Callable[[], int],
        now: Callable[[], int],
        *,
        timestamps: Timestamps,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._consumer = consumer
        self._lag = lag
        self._held = held
        self._done = done
        self._now = now
        self._clock = clock
        self._timestamps = timestamps
        self._ends: dict[int, int] = {}
        self._waiting: dict[int, int] = {}
        self._waiting_epoch = 0
        self._measured = False
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
        """Measure the lag every few seconds, the first time as soon as there are partitions. Never
        returns."""
        while True:
            await asyncio.sleep(LAG_EVERY_S if self._measured else ASSIGNED_S)
            await self._measure(self._consumer.assignment())

    async def _measure(self, ours: Collection[TopicPartition]) -> None:
        epoch = self._lag.epoch
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                ends = await kafka.end_offsets(self._consumer, ours)
            found = {tp.partition: end for tp, end in ends.items()}
            await self._find_waiting(ends.keys(), epoch)
            await self._find_times(ours, found, epoch)
        except (KafkaError, TimeoutError):
            self._ends = {}
            return
        if epoch != self._lag.epoch:
            return  # other partitions have been assigned
        self._measured = bool(ours)
        self._lag.export(found, self._now())
        self._ends = {number: end for number, end in found.items() if number not in self._held}

    async def _find_waiting(self, partitions: Collection[TopicPartition], epoch: int) -> None:
        """Look up the first unread offset of each partition that is not being read."""
        tps = {tp.partition: tp for tp in partitions}
        waiting = self._waits(tps)
        known = self._waiting if self._waiting_epoch == epoch else {}
        known = {number: known[number] for number in waiting & known.keys()}
        if new := waiting - known.keys():
            unread = await first_unread(self._consumer, {tps[number] for number in new})
            known |= {tp.partition: offset for tp, offset in unread.items()}
        if epoch == self._lag.epoch:
            self._waiting, self._waiting_epoch = known, epoch
            still = self._waits(tps)
            self._lag.wait_at({n: offset for n, offset in known.items() if n in still})

    def _waits(self, numbers: Collection[int]) -> set[int]:
        return self._lag.not_begun(numbers) | self._held.stalled.intersection(numbers)

    async def _find_times(
        self, ours: Collection[TopicPartition], ends: Mapping[int, int], epoch: int
    ) -> None:
        """Look up the timestamps of first unread records that are not known."""
        untimed = self._lag.untimed(ends)
        if not untimed:
            return
        asked = {tp: untimed[tp.partition] for tp in ours if tp.partition in untimed}
        times = await self._timestamps(asked)
        if epoch == self._lag.epoch:
            self._lag.note_times(untimed, {tp.partition: at for tp, at in times.items()})
