"""The common runner of the Faust roles: one app, one table, and one agent with concurrency 1 over
all the topics that a role reads. A role supplies only its pure core.

Faust is trusted with group membership, assignment, delivery, the table and its recovery. It is not
trusted with offsets and isolation (see `adapter/transport.py`), nor with producing (see
`outbox.py`).
"""

import asyncio
import contextlib
import gc
import sys
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any, TypeVar

import structlog

from agents.faust_runner.adapter.app_factory import LEASE_SECONDS, faust_app
from agents.faust_runner.adapter.assignment import watch_assignment
from agents.faust_runner.adapter.fencing import Lease, guard
from agents.faust_runner.adapter.watchdog import Progress, lasting, watch
from agents.faust_runner.core import Incoming
from agents.faust_runner.handler import Handler
from agents.faust_runner.outbox import BEHIND_SECONDS, Outbox, gather
from agents.faust_runner.role import Companion, RoleParts, RoleSpec
from agents.faust_runner.sending import Patient
from agents.faust_runner.stuck import show_stuck
from agents.partition_lag import PartitionLag
from agents.stuck_work import end_process_soon
from pipeline.runtime import kafka_answers, kafka_watch
from pipeline.runtime.kafka import know_topics, producer
from pipeline.runtime.kafka_answers import until_answered
from pipeline.runtime.kafka_watch import using_kafka
from pipeline.runtime.log_clock import LogClock
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from schemas.topics import CALL_PARTITIONS

log = structlog.get_logger(__name__)

S = TypeVar("S")

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
    spec: RoleSpec,
    parts: RoleParts[S],
    *,
    clock: LogClock,
) -> None:
    """Run a role until `stop` is set.

    Each record of the role's sources, and each tick, is passed to its core. The outputs of a step
    are published on the targets, its state is written to the role's table, and the effects outside
    Kafka are carried out. `clock` is the log's clock. Nothing is decided before it is measured.

    Health becomes good once the table is restored and the partitions are assigned. Raise if the
    role cannot continue: the caller must then end the process.
    """
    async with using_kafka(
        settings, health, reads=spec.reads, writes=spec.writes, groups=[spec.name]
    ):
        # linger_ms=0: a record is sent at once unless a request is under way; then the records of
        # that time share the next request.
        client = f"{spec.name}-{settings.instance or 'x'}"
        sender = producer(settings, source=spec.name, client_id=client, linger_ms=0)
        # Faust's consumer runs in its own thread. With the default switch interval it would wait up
        # to 5 ms for the interpreter lock.
        sys.setswitchinterval(_SWITCH_SECONDS)
        try:
            await until_answered(sender.start, "the producer's start", health)
            await until_answered(
                lambda: know_topics(sender, settings, spec.writes), "the topics to write", health
            )
            await clock.settled(stop)
            if not stop.is_set():
                await _Running(settings, health, spec, clock, sender).until(stop, parts)
        finally:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(sender.stop(), _STOP_SECONDS)


class _Running:
    """The parts of a running role, and their connections."""

    def __init__(
        self, settings: Settings, health: Health, spec: RoleSpec, clock: LogClock, sender: Any
    ) -> None:
        self.settings = settings
        self.health = health
        self.spec = spec
        self.clock = clock
        self.topics = {settings.prefixed(topic.name): topic.name for topic in spec.inputs}
        self.producer = sender
        self.sender = Patient(sender)
        table = settings.prefixed(spec.table.name)
        self.outbox = Outbox(self.sender, table)
        self._assigned_together = (*self.topics, table)
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lease = Lease(LEASE_SECONDS)
        guard(self.lease, sender)
        self.app = faust_app(
            settings,
            spec.name,
            before_commit=self._safe,
            lease=self.lease,
            health=health,
            gathering_s=spec.gathering_s,
        )
        self.progress = Progress(self.app, tuple(self.topics))
        self.lag = PartitionLag(settings, spec.name, spec.inputs, clock.now)
        self.handler: Handler[Any] | None = None

    async def until(self, stop: asyncio.Event, parts: RoleParts[S]) -> None:
        """Run the role with these parts until `stop` is set."""
        handler = self._declare(parts)
        gather(self.producer, lambda: handler.behind > BEHIND_SECONDS)
        try:
            async with asyncio.TaskGroup() as tasks:
                beside = [
                    tasks.create_task(lasting(name, work))
                    for name, work in self._beside(handler, parts.companions)
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
            ("the watchdog", watch(self.app, self.progress, handler, self._is_kafka_away)),
            ("the lag", self.lag.measure(self.progress.places)),
            ("the agent", self._failure()),
            ("the lease", self.lease.lasts()),
            ("the health check", show_stuck(self.health, self.outbox.stuck)),
            ("the assignment", watch_assignment(self.app, self._assigned_together, self.health)),
            *((repr(companion), companion(self.progress.owned)) for companion in companions),
        ]

    async def _failure(self) -> None:
        await self.failed

    def _is_kafka_away(self) -> bool:
        return bool({kafka_answers.REASON, kafka_watch.REASON} & self.health.reasons.keys())

    def _fail(self, error: Exception) -> None:
        self.outbox.abandon(error)
        if not self.failed.done():
            self.failed.set_exception(error)

    def _declare(self, parts: RoleParts[S]) -> Handler[S]:
        """Declare the table and the agent; return the handler."""
        app = self.app
        if parts.backlog is not None:
            parts.backlog.followed = self.progress.followed
        table = app.Table("table", key_type=bytes, value_type=bytes, partitions=CALL_PARTITIONS)
        handler = Handler(
            role=self.spec.name,
            parts=parts,
            sender=self.sender,
            outbox=self.outbox,
            table=table,
            topics=self.topics,
            prefixed=self.settings.prefixed,
            settled=self.progress.settled,
            gathering_s=_TOGETHER_SECONDS if self.spec.gathering_s > 0 else 0.0,
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
        app.agent(channel, name=f"{self.spec.name}-agent", concurrency=1)(self._agent(handler))
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
