"""A whole bridge on a stream, leases and checkpoints that a test changes."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bridge import service
from bridge.jobs import BridgeJob
from bridge.service import Bridge
from bridge.shard_carrier import CarryEnd
from bridge.unavailable import KinesisUnavailable
from pipeline.kinesis.lineage import Shard, ShardPlan
from pipeline.kinesis.period import ALWAYS, Period
from pipeline.kinesis.shard_ref import LIVE, Incarnation, Place
from pipeline.runtime.log_clock import LogClock
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from tests.bridge.tables import STREAM
from tests.virtual_time import virtually

OTHER = Shard("o")


class Kinesis:
    """The stream as it is listed. `error`: what the next questions raise."""

    stream_name = STREAM.kinesis_stream

    def __init__(self) -> None:
        self.incarnation_now: Incarnation = STREAM
        self.listed: tuple[Shard, ...] = (OTHER,)
        self.error: KinesisUnavailable | None = None
        self.is_closed = False

    async def incarnation(self) -> Incarnation:
        if self.error is not None:
            raise self.error
        return self.incarnation_now

    async def shards(self) -> tuple[Shard, ...]:
        return self.listed

    def close(self) -> None:
        self.is_closed = True


class Table:
    """The checkpoints: the finished shards."""

    def __init__(self, on_news: Callable[[], None]) -> None:
        self.on_news = on_news
        self.done: set[str] = set()
        self.is_stopped = False

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        self.is_stopped = True

    async def readable(self) -> None:
        """All is read."""

    async def caught_up(self, *_: int) -> None:
        """All is read."""

    def finished(self, *_: object) -> frozenset[str]:
        return frozenset(self.done)

    def finish(self, shard: Shard) -> None:
        """A process has read the shard to its end."""
        self.done.add(shard.shard_id)
        self.on_news()


class Group:
    """The leases. `without`: shards of other processes."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.on_change = on_change
        self.without: set[str] = set()
        self.settled = asyncio.Event()
        self.settled.set()

    async def start(self) -> None:
        """Join."""

    async def stop(self) -> None:
        """Leave."""

    def has(self, place: Place) -> bool:
        return place.shard_id not in self.without

    def give(self, *others: str) -> None:
        """A rebalance leaves all but these to this process."""
        self.without = set(others)
        self.on_change()


class Job:
    """A job. `periods`: its answers in turn, the last one repeatedly; an error is raised."""

    name = LIVE
    share: Any = None

    def __init__(self, *periods: Period | Exception | None) -> None:
        self.periods = list(periods) or [ALWAYS]
        self.is_over = False

    async def period(self, *_: object) -> Period | None:
        answer = self.periods.pop(0) if len(self.periods) > 1 else self.periods[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def is_done(self, plan: ShardPlan, _: object) -> bool:
        return self.is_over


class Carrier:
    """Copies a shard until it is stopped or the test ends it."""

    all: "list[Carrier]"

    def __init__(self, _: object, place: Place, period: Period) -> None:
        self.place, self.period = place, period
        self.stop = asyncio.Event()
        self.ended = asyncio.Event()
        self.closed = False
        self.is_running = False
        self.hangs = False
        Carrier.all.append(self)

    async def run(self) -> CarryEnd:
        self.is_running = True
        try:
            waits = [asyncio.ensure_future(e.wait()) for e in (self.stop, self.ended)]
            await asyncio.wait(waits[1:] if self.hangs else waits, return_when="FIRST_COMPLETED")
            for each in waits:
                each.cancel()
            return CarryEnd.FINISHED if self.ended.is_set() else CarryEnd.STOPPED
        finally:
            self.is_running = False


class Scene:
    """A bridge that runs on these parts."""

    def __init__(self, job: Job) -> None:
        Carrier.all = []
        self.kinesis = Kinesis()
        self.health = Health(starting="x")
        self.stop = asyncio.Event()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(service, "Kinesis", lambda _: self.kinesis)
            patch.setattr(service, "Checkpoints", lambda _, news: Table(news))
            patch.setattr(service, "Leases", lambda *a: Group(a[3]))
            patch.setattr(service, "Retirement", lambda _: SimpleNamespace(look=_nothing))
            clock = cast("LogClock", SimpleNamespace(now=lambda: 0))
            self.bridge = Bridge(
                Settings(instance="b-0"), self.health, cast("BridgeJob", job), clock
            )
        self.table = cast("Table", self.bridge.checkpoints)
        self.group = cast("Group", self.bridge.leases)

    def running(self) -> list[str]:
        """Return the shards that are copied now."""
        return sorted(each.place.shard_id for each in Carrier.all if each.is_running)


async def _nothing(*_: object) -> None:
    """There is nothing to delete."""


def play(
    job: Job, scene: Callable[[Scene], Awaitable[None]], patch: pytest.MonkeyPatch,
    prepare: Callable[[Scene], None] = lambda _: None,
) -> Scene:  # fmt: skip
    """Run a scene on a bridge, and stop it."""
    patch.setattr(service, "ShardCarrier", Carrier)
    patch.setattr(
        service, "time", SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time())
    )

    async def run() -> Scene:
        made = Scene(job)
        prepare(made)
        await made.bridge.start()
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(made.bridge.run(tasks, made.stop))
            await asyncio.sleep(0.1)
            await scene(made)
            made.stop.set()
            await working
        await made.bridge.close()
        return made

    return virtually(run())
