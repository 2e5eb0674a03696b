"""Measure the progress of a Faust app, and end a process that is stuck.

After a broker outage some partitions may stay silent for good (faust issues 175, 523, 532, 640):
the process looks healthy and does nothing. Only a new process helps.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

from aiokafka import TopicPartition

from agents.faust_runner.metrics import LAG_RECORDS

_LOOK_SECONDS = 2.0
_ANSWER_SECONDS = 8.0


class Stuck(RuntimeError):
    """There is work to do and no progress: end the process."""


class Busy(Protocol):
    """Shows since when the current record has been in work (`time.monotonic()`), or None."""

    busy_since: float | None


@dataclass(frozen=True, slots=True)
class Sight:
    """One observation by the watchdog, at a time in seconds. `lag` is None if the broker does not
    answer."""

    at: float
    rebalancing: bool
    busy: bool
    lag: int | None
    handled: int
    committed: int


@dataclass(frozen=True, slots=True)
class WatchdogLimits:
    """How long (s) each condition may last.

    `rebalancing` includes the table's recovery. `unanswered` is long because a new process could do
    no more while the broker is down; but after that time this process may be the only one that gets
    no answer.
    """

    unanswered: float = 300.0
    rebalancing: float = 120.0
    silent: float = 30.0
    uncommitted: float = 60.0


class Watchdog:
    """Decides from observations whether the process is stuck. Pure."""

    def __init__(self, first: Sight, limits: WatchdogLimits = WatchdogLimits()) -> None:
        self._limits = limits
        self._steady = first.at
        self._moved = first.at
        self._committed = first.at
        self._answered = first.at
        self._last = first

    def see(self, sight: Sight) -> str | None:
        """Handle an observation. Return why the process must end, or None."""
        last, self._last = self._last, sight
        if sight.lag is not None:
            self._answered = sight.at
        elapsed = sight.at - last.at
        if sight.lag is None:  # time without an answer does not count
            self._steady += elapsed
            self._committed += elapsed
        if not sight.rebalancing:
            self._steady = sight.at
        if sight.rebalancing or sight.busy or not sight.lag or sight.handled != last.handled:
            self._moved = sight.at
        if sight.rebalancing or sight.committed != last.committed or not sight.handled:
            self._committed = sight.at
        elif sight.handled == last.handled:
            # There was nothing new to commit, so this time does not count.
            self._committed = min(self._committed + elapsed, sight.at)
        return self._wrong(sight)

    def _wrong(self, sight: Sight) -> str | None:
        limits = self._limits
        if sight.at - self._answered > limits.unanswered:
            return f"the broker has not answered for {limits.unanswered:.0f} s"
        if sight.at - self._steady > limits.rebalancing:
            return f"rebalancing or recovering for {limits.rebalancing:.0f} s"
        if sight.at - self._moved > limits.silent:
            return f"{sight.lag} records wait and none was handled for {limits.silent:.0f} s"
        if sight.at - self._committed > limits.uncommitted:
            return f"records are handled but nothing was committed for {limits.uncommitted:.0f} s"
        return None


class Progress:
    """The app's position on its topics. `topics`: names with the prefix, the ticks' last."""

    def __init__(self, app: Any, topics: Sequence[str]) -> None:
        self._app = app
        self._sources = tuple(topics[:-1])
        self._ticks = topics[-1]
        self._handled: dict[tuple[str, int], tuple[int, int]] = {}
        self._ends: dict[Any, int] = {}
        self.count = 0

    def handled(self, topic: str, partition: int, offset: int, timestamp: int) -> None:
        """Note that a record was handled. `timestamp`: its Kafka timestamp (ms)."""
        self._handled[topic, partition] = offset, timestamp
        self.count += 1

    def owned(self) -> frozenset[int]:
        """Return the partitions that this process owns; empty during a rebalance or a recovery."""
        if self._app.rebalancing or self._app.in_recovery or not self._app.consumer.started:
            return frozenset()
        assignment = self._app.consumer.assignment()
        return frozenset(tp.partition for tp in assignment if tp.topic == self._ticks)

    def settled(self, partition: int) -> float:
        """Return the log time (ms) up to which the partition's records, ticks aside, were handled;
        infinity if none is known to wait."""
        return min((self._settled(topic, partition) for topic in self._sources), default=inf)

    def followed(self, topic: str, partition: int, offset: int) -> bool:
        """Return whether records of the partition, ticks aside, are known to wait behind this
        one."""
        handled = {name: self._handled.get((name, partition), (-1, 0))[0] for name in self._sources}
        if topic in handled:
            handled[topic] = offset
        return not all(self._is_read(name, partition, done) for name, done in handled.items())

    def _settled(self, topic: str, partition: int) -> float:
        handled, timestamp = self._handled.get((topic, partition), (-1, 0))
        return inf if self._is_read(topic, partition, handled) else timestamp

    def _is_read(self, topic: str, partition: int, handled: int) -> bool:
        """Return whether no record is known to wait behind the last handled offset."""
        fetched = self._app.consumer.fetched.get((topic, partition), -1)
        position, end = self._app.consumer.position_and_end(TopicPartition(topic, partition))
        return position is not None and end is not None and position >= end and fetched <= handled

    async def places(self) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        """Return the first offset that was not handled of each partition that this process owns,
        and the ends that the broker last reported. During a rebalance both are empty."""
        if self._app.rebalancing or not self._app.consumer.started:
            return {}, {}
        mine = [
            TopicPartition(tp.topic, tp.partition)
            for tp in self._app.consumer.assignment()
            if tp.topic in (*self._sources, self._ticks)
        ]
        found = {tp: place for tp in mine if (place := self._place(tp)) is not None}
        return found, {tp: self._ends[tp] for tp in found if tp in self._ends}

    def _place(self, tp: TopicPartition) -> int | None:
        consumer = self._app.consumer
        position: int | None = consumer.position_and_end(tp)[0]
        handled = self._handled.get((tp.topic, tp.partition), (-1, 0))[0]
        fetched = consumer.fetched.get((tp.topic, tp.partition), -1)
        if position is None or fetched <= handled or self._app.in_recovery:
            return position
        committed: int | None = consumer._committed_offset.get(tp)  # noqa: SLF001 - not public
        return max(handled + 1, committed or 0)

    async def lag(self) -> int:
        """Return the number of records between the read positions and the ends that the broker
        reports."""
        consumer = self._app.consumer
        if not self.owned():
            return 0

        mine = [
            tp
            for tp in consumer.assignment()
            if tp.topic in (*self._sources, self._ticks) and consumer.has_leader(tp)
        ]
        if not mine:
            return 0
        ends: Mapping[Any, int] = await consumer.highwaters(*mine)
        self._ends = dict(ends)
        places = [(consumer.position_and_end(tp)[0], end) for tp, end in ends.items()]
        return sum(max(0, end - position) for position, end in places if position is not None)


async def watch(
    app: Any, progress: Progress, handler: Busy, is_away: Callable[[], bool] = lambda: False
) -> None:
    """Check every two seconds. Raise `Stuck`, or the error that the app crashed with. `is_away`:
    whether Kafka is known not to answer, so that a rebalance or a recovery cannot end."""
    loop = asyncio.get_running_loop()
    dog: Watchdog | None = None
    while True:
        if app.crashed:
            raise Stuck(f"Faust crashed: {app.crash_reason!r}") from app.crash_reason
        lag = None if is_away() else await _lag(progress)
        sight = Sight(
            at=loop.time(),
            rebalancing=bool(app.rebalancing) or bool(app.in_recovery),
            busy=handler.busy_since is not None,
            lag=lag,
            handled=progress.count,
            committed=app.consumer.commits if app.consumer.started else 0,
        )
        if dog is None:
            dog = Watchdog(sight)
        if wrong := dog.see(sight):
            raise Stuck(wrong)
        await _until(app, _LOOK_SECONDS)


async def lasting(name: str, work: Awaitable[None]) -> None:
    """Await work that must not end; raise `Stuck` if it does.

    A task group ignores a task that ends cancelled, and tasks that wait for Faust's thread are
    cancelled when the thread dies.
    """
    try:
        await work
    except asyncio.CancelledError:
        if _is_cancelled():
            raise
        raise Stuck(f"{name}: the thread that it waited for is gone") from None
    raise Stuck(f"{name} ended unexpectedly")


async def _lag(progress: Progress) -> int | None:
    """Return the lag, or None if the broker does not answer."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            lag = await progress.lag()
    except asyncio.CancelledError:
        if _is_cancelled():
            raise
        return None
    except Exception:  # noqa: BLE001 - no answer, for whatever reason
        return None
    LAG_RECORDS.set(lag)
    return lag


def _is_cancelled() -> bool:
    """Return whether the current task itself was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _until(app: Any, seconds: float) -> None:
    """Wait for `seconds`, or until the app crashes."""
    try:
        async with asyncio.timeout(seconds):
            await app._crashed.wait()  # noqa: SLF001 - mode has no public way to wait for it
    except TimeoutError:
        pass
