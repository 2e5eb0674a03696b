"""The bridge role: find out which shards exist, and copy those that are assigned to this
process."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

import structlog
from aiokafka.errors import KafkaError

from bridge.checkpoint_cleanup import Retirement
from bridge.checkpoints import Blocked, Checkpoints, checkpoint_partition
from bridge.jobs import CLOCK_ERROR_MS, BridgeJob, JobContext, check_start, live
from bridge.kinesis_reader import DEFAULT_STREAM, Kinesis, ShardReader
from bridge.leases import Leases, group_of
from bridge.metrics import SHARDS, SHARDS_READABLE
from bridge.shard_carrier import CarrierWorld, CarryEnd, ShardCarrier
from bridge.topic_limits import topic_limits
from bridge.transactions import ShardWriter
from bridge.unavailable import KinesisUnavailable, StreamAbsent
from pipeline.kinesis import lineage
from pipeline.kinesis.period import ALWAYS, Period
from pipeline.kinesis.shard_ref import LIVE, Incarnation, Place, transactional_id
from pipeline.runtime.kafka_answers import until_answered
from pipeline.runtime.kafka_watch import using_kafka
from pipeline.runtime.log_clock import LogClock, log_clock, machine_clock
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from schemas.records import BridgeCheckpoint
from schemas.topics import BRIDGE_CHECKPOINTS, CTI_EVENTS, DEAD_LETTERS

log = structlog.get_logger(__name__)

LIST_SECONDS = 5.0
RETRY_SECONDS = 1.0
STOP_SECONDS = 5.5
SWITCH_SECONDS = 0.0005


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Bridge the configured Kinesis stream until `stop` is set."""
    check_start(settings, machine_clock() + CLOCK_ERROR_MS)
    async with log_clock(settings, health) as clock, _using_kafka(settings, health, LIVE):
        # After Kafka: while Kafka is away, the health must name it and not the unmeasured clock.
        await clock.settled(stop)
        if not stop.is_set():
            job = live(settings, clock.now())
            await _bridged(Bridge(settings, health, job, clock), stop)


async def run_job(
    settings: Settings, health: Health, stop: asyncio.Event, job: BridgeJob, clock: LogClock
) -> bool:
    """Bridge until `stop` is set or the job is done. Return whether it is done."""
    async with _using_kafka(settings, health, job.name):
        return await _bridged(Bridge(settings, health, job, clock), stop)


def _using_kafka(
    settings: Settings, health: Health, job_name: str
) -> AbstractAsyncContextManager[None]:
    stream = settings.kinesis_stream or DEFAULT_STREAM
    return using_kafka(
        settings,
        health,
        reads=[BRIDGE_CHECKPOINTS],
        writes=[CTI_EVENTS, DEAD_LETTERS, BRIDGE_CHECKPOINTS],
        groups=[group_of(stream, job_name)],
        transactional_ids=[transactional_id(job_name, stream)],
    )


async def _bridged(bridge: "Bridge", stop: asyncio.Event) -> bool:
    # boto3 works in threads. While one of them computes, the event loop, which has a transaction to
    # write, waits for the switch interval: 5 ms each time by default.
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        await bridge.start()
        async with asyncio.TaskGroup() as group:
            followers = [
                group.create_task(bridge.checkpoints.run(), name="checkpoints"),
                group.create_task(bridge.leases.run(), name="leases"),
            ]
            await bridge.run(group, stop)
            for task in followers:
                task.cancel()
        return bridge.done
    finally:
        await bridge.close()


class Bridge:
    """All shards that this process bridges, with the tables and connections they share."""

    def __init__(self, settings: Settings, health: Health, job: BridgeJob, clock: LogClock) -> None:
        self.done = False
        """Whether the job is done."""
        self._settings = settings
        self._health = health
        self._job = job
        self._clock = clock
        self._name = job.name
        self._changed = asyncio.Event()
        self._list_at = 0.0
        self._listed_at = 0.0
        self._look_failed = False
        self.checkpoints = Checkpoints(settings, self._list_now)
        self._kinesis = Kinesis(settings)
        self.leases = Leases(settings, self._kinesis.stream_name, job.name, self._changed.set)
        self._context = JobContext(settings, self.checkpoints, self.leases, clock.now)
        self._retirement = Retirement(self._context)
        self._incarnation: Incarnation | None = None
        self._period: tuple[Incarnation, Period] | None = None
        self._listed: tuple[lineage.Shard, ...] = ()
        self._carriers: dict[Place, tuple[ShardCarrier, asyncio.Task[None]]] = {}
        self._world = CarrierWorld(
            instance=settings.instance,
            health=health,
            settled=self.leases.settled.wait,
            limits=lambda: topic_limits(settings),
            writer=lambda place, limits: ShardWriter(settings, place, limits),
            checkpoint=self._checkpoint,
            reader=self._reader,
            incarnation=self._kinesis.incarnation,
            now=clock.now,
        )

    async def start(self) -> None:
        """Connect, and list the shards for the first time."""
        await until_answered(self.checkpoints.start, "reading the checkpoints", self._health)
        await asyncio.gather(
            until_answered(self.leases.start, "joining the group", self._health), self._look()
        )

    async def close(self) -> None:
        """Disconnect."""
        self._kinesis.close()
        await asyncio.gather(self.checkpoints.stop(), self.leases.stop())

    async def run(self, group: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        """Work until `stop` is set or the job is done. Return once every shard has ended."""
        stopping = group.create_task(stop.wait(), name="stop")
        await _first(self.leases.settled.wait(), stopping)
        await _first(self._answered(self.checkpoints.readable), stopping)
        self._health.good("starting")
        while not stop.is_set():
            self._changed.clear()
            if time.monotonic() >= self._list_at:
                await self._look()
            await _first(self._learn_period(), stopping)
            self._reconcile(group)
            if self.done:
                break
            await _first(self._changed.wait(), stopping, self._list_at - time.monotonic())
        stopping.cancel()
        await self._end()

    async def _look(self) -> None:
        """Ask Kinesis for the stream's incarnation and its shards."""
        self._listed_at = time.monotonic()
        try:
            incarnation = await self._kinesis.incarnation()
            self._listed = await self._kinesis.shards()
        except KinesisUnavailable as error:
            if isinstance(error, StreamAbsent):
                self._incarnation, self._listed = None, ()
            # One failure is harmless while shards are read: DescribeStreamSummary may be throttled.
            if self._incarnation is None or self._look_failed:
                self._health.bad("kinesis", f"stream {self._kinesis.stream_name}: {error}")
            self._look_failed = True
            log.warning("Kinesis stream cannot be read", error=str(error))
            self._list_at = time.monotonic() + RETRY_SECONDS
            return
        if incarnation != self._incarnation:
            log.info(
                "Kinesis stream", name=incarnation.kinesis_stream,
                created_at=incarnation.created_at, shards=[s.shard_id for s in self._listed],
            )  # fmt: skip
        self._incarnation = incarnation
        self._look_failed = False
        self._health.good("kinesis")
        self._list_at = time.monotonic() + LIST_SECONDS
        if self._name == LIVE:
            await self._retirement.look(incarnation, self._listed, self._clock.now())

    async def _learn_period(self) -> None:
        """Find out the period to read of the present stream. Nothing is read before that."""
        incarnation = self._incarnation
        if incarnation is None or (self._period and self._period[0] == incarnation):
            return
        try:
            period = await self._job.period(self._context, incarnation)
        except (Blocked, TimeoutError, KafkaError) as error:
            log.warning("the position to start from is not known yet", error=repr(error))
            self._health.bad("period", f"the position to start from is not known yet: {error!r}")
            self._list_at = time.monotonic() + RETRY_SECONDS
            return
        self._health.good("period")
        if period is not None:
            log.info("period", begins_at=period.begins_at, ends_at=period.ends_at)
            self._period = incarnation, period

    def _reconcile(self, group: asyncio.TaskGroup) -> None:
        """Start and stop shards so that exactly the wanted ones are copied. A stopped shard may
        take a while to end; the process that copies it next does not wait for that."""
        period, wanted = self._wanted()
        for place, (carrier, _) in self._carriers.items():
            if place not in wanted:
                carrier.stop.set()
        for place, shard in wanted.items():
            if place not in self._carriers:
                carrier = ShardCarrier(self._world, place, period)
                task = group.create_task(self._carry(place, carrier), name=place.key)
                self._carriers[place] = carrier, task
            self._carriers[place][0].closed = shard.closed
        SHARDS.set(len(self._carriers))

    def _wanted(self) -> tuple[Period, dict[Place, lineage.Shard]]:
        SHARDS_READABLE.set(0)
        if self._incarnation is None or self._period is None:
            return ALWAYS, {}
        of, period = self._period
        if of != self._incarnation:
            return ALWAYS, {}
        finished = self.checkpoints.finished(self._incarnation, self._name)
        plan = lineage.plan(self._listed, finished)
        SHARDS_READABLE.set(len(plan.readable))
        self.done = self._job.is_done(plan, self._incarnation)
        places = {self._place(s.shard_id): s for s in self._listed if s.shard_id in plan.readable}
        return period, {p: s for p, s in places.items() if self.leases.has(p)}

    def _place(self, shard_id: str) -> Place:
        assert self._incarnation is not None
        name, created_at = self._incarnation.kinesis_stream, self._incarnation.created_at
        return Place(name, created_at, shard_id, self._name)

    async def _carry(self, place: Place, carrier: ShardCarrier) -> None:
        try:
            if await carrier.run() is CarryEnd.FINISHED:
                partition = checkpoint_partition(place)
                await self._answered(lambda: self.checkpoints.caught_up(partition))
        finally:
            del self._carriers[place]
            self._list_now()

    async def _answered(self, read: Callable[[], Awaitable[None]]) -> None:
        """Read checkpoints, however long Kafka or an open transaction takes."""
        await until_answered(read, "the ends of the checkpoints", self._health, also=(Blocked,))

    async def _end(self) -> None:
        tasks = [task for _, task in self._carriers.values()]
        for carrier, _ in self._carriers.values():
            carrier.stop.set()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()

    def _list_now(self) -> None:
        self._list_at = min(self._list_at, max(time.monotonic(), self._listed_at + 0.5))
        self._changed.set()

    async def _checkpoint(self, place: Place) -> BridgeCheckpoint | None:
        await self.checkpoints.caught_up(checkpoint_partition(place))
        return self.checkpoints.get(place)

    async def _reader(self, place: Place, position: str | None, since: int | None) -> ShardReader:
        client = await self._kinesis.client()
        return ShardReader(client, place, position, since, self._job.share)


async def _first(
    work: Coroutine[Any, Any, object], stopping: asyncio.Task[Any], seconds: float | None = None
) -> None:
    """Wait for `work`, until `stopping` is done or `seconds` have passed."""
    working = asyncio.ensure_future(work)
    try:
        await asyncio.wait(
            {working, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if working.done():
            working.result()
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
