"""The common runner of the Faust roles: one app, one table, one agent with concurrency 1, over all
the topics that a role reads. A role brings only its pure core.

What Faust is trusted with: membership, assignment, delivery, the table and its recovery. What it is
not: see `adapter/transport.py` (offsets, isolation) and `outbox.py` (all that is produced).
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
"""The partitions that this process owns at the moment, none while that changes."""

Companion = Callable[[Partitions], Awaitable[None]]
"""Work beside the agent that must not end: what it raises ends the role."""

_STOP_SECONDS = 5.0
_SWITCH_SECONDS = 0.001
_TOGETHER_SECONDS = 0.02
"""Steps of what was fetched at once come within this."""
GARBAGE_AFTER = 20_000
"""New objects after which the collector looks for cycles."""


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
    """Runs a role until `stop` is set: every record of `sources` (and of `ticks`) goes through
    `core`, what comes of it is published (on `targets`), kept in the role's table and, by
    `effects`, done. `recall` knows keys that the table has forgotten. `rules` says by which version
    of them `core` decides, where there are any; `broadcasts` takes what concerns all keys of a
    partition; `backlog` is told of each record before `core` is. With `gathering_s` the broker
    gathers for so long what comes, and of steps of one key that come together the last is carried
    out: see `Handler`. `clock` is the log's; nothing is decided before it is measured.

    Health becomes good once the table is restored and the partitions are there. Raises where the
    role cannot go on: the process is then to be ended and started again.
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
        # What is written next waits for nothing: while a request is under way, others gather.
        sender = producer(settings, client_id=f"{role}-{settings.instance or 'x'}", linger_ms=0)
        # Faust's consumer has a thread of its own: it must not wait 5 ms for its turn.
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
    """What a role brings: see `run_table_role`."""

    core: Core[S]
    effects: Effects | None
    recall: Recall | None
    rules: Rules
    broadcasts: Broadcasts[S] | None
    backlog: Backlog | None


class _Running:
    """A role's parts, wired."""

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
                    # Nothing is waited for, nothing more is committed.
                    self.outbox.abandon(error)
                    self.app.conf.stream_wait_empty = False
                    raise
                finally:
                    # The outbox still runs, and the last commit waits for it.
                    await self._stop(0 if stop.is_set() else 1)
                    for task in beside:
                        task.cancel()
        except ExceptionGroup as group:
            raise group.exceptions[0] from group

    async def _safe(self, partitions: Collection[int]) -> Collection[int]:
        """Return those of the partitions of which all that came of what was handled is safe. Kafka
        may take its time for some: they are not among them."""
        self.outbox.check()
        if self.handler is not None:
            await self.handler.settle()
        return await self.outbox.drained(partitions)

    async def _start(self, stop: asyncio.Event) -> None:
        """Return once the app has started, or `stop` is set: its start waits for Kafka, as long as
        that takes."""
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
        """Stop the app; one that does not stop ends the process, with that status."""
        self.health.bad("starting", "stopping")
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self.app.stop()
        except Exception:
            log.exception("the Faust app did not stop; the process is ended")
            end_process_soon(status)

    def _beside(
        self, handler: Handler[S], companions: Iterable[Companion]
    ) -> list[tuple[str, Awaitable[None]]]:
        """What runs beside the agent, with names."""
        return [
            ("the outbox", self.outbox.run()),
            ("what gathers", handler.gather()),
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
        """The table and the agent."""
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
                handler.restore(dict(table.data._key_partition))  # noqa: SLF001 - adapter.transport
            except Exception as error:  # noqa: BLE001 - Faust would go on without the states
                self._fail(error)
            else:
                # What is there by now stays; and of what comes, states are kept, and the rest is
                # let go at once: to look for cycles as often as Python does costs a tenth of the
                # time, and now and then a wait of many milliseconds.
                if not gc.get_freeze_count():  # later there may be garbage among it
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
                    await asyncio.get_running_loop().create_future()  # never goes on

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
