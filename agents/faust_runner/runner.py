"""The common runner of the Faust roles: one app, one table, and one agent with concurrency 1 over
all the topics that a role reads. A role supplies only its pure core.

Faust is trusted with group membership, assignment, delivery, the table and its recovery. It is not
trusted with offsets and isolation (see `faust_transport`), nor with producing (see `faust_outbox`).
"""

import asyncio
import contextlib
import gc
import sys
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from agents.faust_runner.adapter.app_factory import LEASE_SECONDS, faust_app
from agents.faust_runner.adapter.assignment import watch_assignment
from agents.faust_runner.adapter.fencing import Lease, guard
from agents.faust_runner.adapter.watchdog import Progress, lasting, watch
from agents.faust_runner.backlog import Backlog
from agents.faust_runner.core import Broadcasts, Core, Incoming, Output, Refusal, Rules, Step
from agents.faust_runner.handler import Effects, Handler, Recall
from agents.faust_runner.outbox import BEHIND_SECONDS, Outbox, gather
from agents.faust_runner.sending import Patient
from agents.faust_runner.stuck import show_stuck
from agents.process_end import end_process_soon
from pipeline.runtime.kafka import know_topics, producer
from pipeline.runtime.kafka_watch import using_kafka
from pipeline.runtime.log_clock import LogClock
from pipeline.runtime.settings import Role, Settings
from pipeline.runtime.telemetry import Health
from schemas.topics import CALL_PARTITIONS, DEAD_LETTERS, TICKS, Topic, changelog

__all__ = [
    "Backlog",
    "Broadcasts",
    "Companion",
    "Core",
    "Output",
    "Partitions",
    "Refusal",
    "Step",
    "run_table_role",
]

log = structlog.get_logger(__name__)

S = TypeVar("S")

Partitions = Callable[[], frozenset[int]]
"""The partitions that this process owns now; empty during a rebalance or a recovery."""

Companion = Callable[[Partitions], Awaitable[None]]
"""Work that runs beside the agent until it is cancelled. If it raises or returns, the role ends."""

_STOP_SECONDS = 5.0
_SWITCH_SECONDS = 0.001
_TOGETHER_SECONDS = 0.02
"""How long a step waits for later steps of its key. Records of one fetch are handled within this
time."""
GARBAGE_AFTER = 20_000
"""Threshold of the garbage collector's first generation, in allocations minus deallocations."""


async def run_table_role(
    settings: Settings,
    health: Health,
    stop: asyncio.Event,
    *,
    role: Role,
    clock: LogClock,
    sources: Sequence[Topic],
    targets: Sequence[Topic] = (),
    core: Core[S],
    effects: Effects | None = None,
    recall: Recall | None = None,
    rules: Rules = lambda _: 0,
    broadcasts: Broadcasts[S] | None = None,
    backlog: Backlog | None = None,
    gathering_s: float = 0.0,
    companions: Iterable[Companion] = (),
) -> None:
    """Run a role until `stop` is set.

    Each record of `sources`, and each tick, is passed to `core`. The outputs of a step are
    published on `targets`, its state is written to the role's table, and `effects` carries out what
    happens outside Kafka.

    - `recall` restores the state of a key that is no longer in the table.
    - `rules` returns the version of the rules that `core` decides by at a time.
    - `broadcasts` handles records that concern all keys of a partition.
    - `backlog` sees each record before `core` does.
    - `gathering_s` > 0: the broker collects records for this time (s) before it answers a fetch,
      and of the steps of one key that arrive together only the last is carried out; see `Handler`.
    - `clock` is the log's clock. Nothing is decided before it is measured.

    Health becomes good once the table is restored and the partitions are assigned. Raises if the
    role cannot continue: the caller must then end the process.
    """
    table = changelog(role)
    topics = [*sources, TICKS]
    async with using_kafka(
        settings,
        health,
        reads=[*topics, table],
        writes=[*targets, DEAD_LETTERS, table],
        group=role,
    ):
        # linger_ms=0: a record is sent at once unless a request is under way; then the records of
        # that time share the next request.
        sender = producer(settings, client_id=f"{role}-{settings.instance or 'x'}", linger_ms=0)
        # Faust's consumer runs in its own thread. With the default switch interval it would wait up
        # to 5 ms for the interpreter lock.
        sys.setswitchinterval(_SWITCH_SECONDS)
        await sender.start()
        try:
            await know_topics(sender, settings, [*targets, DEAD_LETTERS, table])
            await clock.settled(stop)
            if stop.is_set():
                return
            running = _Running(
                settings,
                health=health,
                role=role,
                clock=clock,
                topics=topics,
                changelog=table,
                sender=sender,
                gathering_s=gathering_s,
            )
            await running.until(
                stop,
                _Brought(core, effects, recall, rules, broadcasts, backlog),
                companions,
            )
        finally:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(sender.stop(), _STOP_SECONDS)


@dataclass(frozen=True, slots=True)
class _Brought(Generic[S]):
    """The parts that a role supplies; see `run_table_role`."""

    core: Core[S]
    effects: Effects | None
    recall: Recall | None
    rules: Rules
    broadcasts: Broadcasts[S] | None
    backlog: Backlog | None


class _Running:
    """The parts of a running role, and their connections."""

    def __init__(
        self,
        settings: Settings,
        *,
        health: Health,
        role: Role,
        clock: LogClock,
        topics: Sequence[Topic],
        changelog: Topic,
        sender: Any,
        gathering_s: float,
    ) -> None:
        self.settings = settings
        self.health = health
        self.role = role
        self.clock = clock
        self.topics = {settings.prefixed(t.name): t.name for t in topics}
        self.producer = sender
        self.gathers = gathering_s > 0
        self.sender = Patient(sender)
        self.outbox = Outbox(self.sender, settings.prefixed(changelog.name))
        self._assigned_together = (*self.topics, settings.prefixed(changelog.name))
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lease = Lease(LEASE_SECONDS)
        guard(self.lease, sender)
        self.app = faust_app(
            settings,
            role,
            before_commit=self._safe,
            lease=self.lease,
            gathering_s=gathering_s,
        )
        self.progress = Progress(self.app, tuple(self.topics))
        self.handler: Handler[Any] | None = None

    async def until(
        self,
        stop: asyncio.Event,
        brought: _Brought[S],
        companions: Iterable[Companion],
    ) -> None:
        handler = self._declare(brought)
        gather(self.producer, lambda: handler.behind > BEHIND_SECONDS)
        try:
            async with asyncio.TaskGroup() as tasks:
                beside = [
                    tasks.create_task(lasting(name, work))
                    for name, work in self._beside(handler, companions)
                ]
                try:
                    await self._start(stop)
                    await stop.wait()
                except BaseException as error:
                    # Do not wait for pending work, and commit nothing more.
                    self.outbox.abandon(error)
                    self.app.conf.stream_wait_empty = False
                    raise
                finally:
                    # The outbox is still running: the last commit waits for it.
                    await self._stop(0 if stop.is_set() else 1)
                    for task in beside:
                        task.cancel()
        except ExceptionGroup as group:
            raise group.exceptions[0] from group

    async def _safe(self, partitions: Collection[int]) -> Collection[int]:
        """Return the partitions with all their results safe on the broker. Those that Kafka is slow
        to accept are left out."""
        self.outbox.check()
        if self.handler is not None:
            await self.handler.settle()
        return await self.outbox.drained(partitions)

    async def _start(self, stop: asyncio.Event) -> None:
        """Return once the app has started or `stop` is set. The app's start waits for Kafka without
        a time limit."""
        starting = asyncio.ensure_future(self.app.start())
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
        finally:
            starting.cancel()
            stopping.cancel()

    async def _stop(self, status: int) -> None:
        """Stop the app. If it does not stop in time, end the process with `status`."""
        self.health.bad("starting", "stopping")
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self.app.stop()
        except Exception:
            log.exception("the Faust app did not stop; ending the process")
            end_process_soon(status)

    def _beside(
        self, handler: Handler[S], companions: Iterable[Companion]
    ) -> list[tuple[str, Awaitable[None]]]:
        """Return the work that runs beside the agent, with names for error messages."""
        return [
            ("the outbox", self.outbox.run()),
            ("the coalescing of steps", handler.gather()),
            ("the watchdog", watch(self.app, self.progress, handler)),
            ("the agent", self._failure()),
            ("the lease", self.lease.lasts()),
            ("the health check", show_stuck(self.health, self.outbox.stuck)),
            ("the assignment", watch_assignment(self.app, self._assigned_together, self.health)),
            *((repr(companion), companion(self.progress.owned)) for companion in companions),
        ]

    async def _failure(self) -> None:
        await self.failed

    def _fail(self, error: Exception) -> None:
        self.outbox.abandon(error)
        if not self.failed.done():
            self.failed.set_exception(error)

    def _declare(self, brought: _Brought[S]) -> Handler[S]:
        """Declare the table and the agent; return the handler."""
        app = self.app
        if brought.backlog is not None:
            brought.backlog.followed = self.progress.followed
        table = app.Table("table", key_type=bytes, value_type=bytes, partitions=CALL_PARTITIONS)
        handler = Handler(
            role=self.role,
            core=brought.core,
            sender=self.sender,
            outbox=self.outbox,
            table=table,
            topics=self.topics,
            prefixed=self.settings.prefixed,
            settled=self.progress.settled,
            effects=brought.effects,
            recall=brought.recall,
            rules=brought.rules,
            broadcasts=brought.broadcasts,
            backlog=brought.backlog,
            gathering_s=_TOGETHER_SECONDS if self.gathers else 0.0,
            clock=self.clock.seconds,
        )
        self.handler = handler

        async def restored() -> None:
            try:
                handler.restore(dict(table.data._key_partition))  # noqa: SLF001 - faust_transport
            except Exception as error:  # noqa: BLE001 - Faust would continue without the states
                self._fail(error)
            else:
                # Exempt the objects of the restored table from garbage collection, and run the
                # collector less often. Few of the later objects form cycles: with Python's default
                # threshold the collector takes a tenth of the processor time and causes pauses of
                # many milliseconds.
                if not gc.get_freeze_count():  # a later freeze would also keep garbage
                    gc.freeze()
                    gc.set_threshold(GARBAGE_AFTER)
                self.health.good("starting")

        table.on_recover(restored)
        channel = app.topic(
            *self.topics,
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            allow_empty=True,
        )
        app.agent(channel, name=f"{self.role}-agent", concurrency=1)(self._agent(handler))
        return handler

    def _agent(self, handler: Handler[S]) -> Callable[[Any], Awaitable[None]]:
        async def agent(events: Any) -> None:
            async for event in events.events():
                try:
                    incoming = _incoming(event.message)
                    await handler.handle(incoming)
                    self.progress.handled(
                        incoming.topic, incoming.partition, incoming.offset, incoming.timestamp
                    )
                except Exception as error:  # noqa: BLE001 - an exception here would ack the event
                    self._fail(error)
                    await asyncio.get_running_loop().create_future()  # blocks for ever

        return agent


def _incoming(message: Any) -> Incoming:
    return Incoming(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp=round(message.timestamp * 1000),
        key=message.key,
        value=message.value,
    )
