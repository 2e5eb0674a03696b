"""The reconciler: compares periods as they become due.

The periods are shared through the consumer group `reconciler`: by its name, a period belongs to a
partition of `reconciliation.windows`, and so to a process. A period that is done has a record
there. A process that is killed in the middle of a period leaves no record, so another one compares
it again.
"""

import asyncio
import contextlib

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from agents.reconciler.comparing import PeriodComparison
from agents.reconciler.metrics import BEHIND_SECONDS, PERIODS
from agents.reconciler.twilio_lists import TwilioLists
from agents.twilio_history.client import history_api
from agents.twilio_history.membership import GROUP
from pipeline.reconciliation.windows import KEPT_MS, ReconciliationRhythm, TwilioPeriod, due
from pipeline.runtime.kafka import IDLE_FETCH_MS, consumer, partition_of, started_producer
from pipeline.runtime.kafka_watch import using_kafka
from pipeline.runtime.log_clock import LogClock, log_clock
from pipeline.runtime.log_reader import Log
from pipeline.runtime.settings import Role, Settings
from pipeline.runtime.telemetry import Health
from pipeline.runtime.twilio_http import TwilioError
from schemas.codec import Undecodable, decode, encode
from schemas.records import ReconciliationWindow
from schemas.topics import (
    CALLS,
    CONTACTS,
    CTI_EVENTS,
    RECONCILIATION_EVIDENCE,
    RECONCILIATION_WINDOWS,
    TWILIO_PERMITS,
)

log = structlog.get_logger(__name__)

READS = (CALLS, CONTACTS, RECONCILIATION_EVIDENCE, RECONCILIATION_WINDOWS, TWILIO_PERMITS)
WRITES = (CTI_EVENTS, RECONCILIATION_EVIDENCE, RECONCILIATION_WINDOWS)
LOOK_S = 2.0
RETRY_S = 20.0
REBALANCE_MS = 30_000


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Run the reconciler until `stop` is set. Without credentials it is idle and healthy."""
    if settings.twilio_account_sid is None or settings.rest_credentials is None:
        log.warning("no Twilio credentials: nothing is compared with Twilio's records")
        health.good("starting")
        await stop.wait()
        return
    async with (
        log_clock(settings, health) as clock,
        using_kafka(settings, health, reads=READS, writes=WRITES, groups=[Role.RECONCILER, GROUP]),
        history_api(settings, health) as api,
        started_producer(settings, Role.RECONCILER, health) as sender,
    ):
        await clock.settled(stop)
        lists = TwilioLists(api, settings.twilio_workspace_sid)
        comparison = PeriodComparison(settings, lists, sender, clock.now)
        await Reconciler(settings, comparison, sender, clock, health).run(stop)


class Reconciler(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """The loop: find a period that is due and not done, compare it, note that it is done."""

    def __init__(
        self,
        settings: Settings,
        comparison: PeriodComparison,
        sender: AIOKafkaProducer,
        clock: LogClock,
        health: Health,
    ) -> None:
        self._settings = settings
        self._comparison = comparison
        self._sender = sender
        self._clock = clock
        self._health = health
        self._topic = settings.prefixed(RECONCILIATION_WINDOWS.name)
        self._rhythm = ReconciliationRhythm(
            round(settings.reconcile_every_seconds * 1000),
            round(settings.reconcile_settling_seconds * 1000),
        )
        self._owned: frozenset[int] = frozenset()
        self._done: dict[str, ReconciliationWindow] = {}
        self._working: asyncio.Task[None] | None = None
        self._due_since: int | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        member: AIOKafkaConsumer = consumer(
            self._settings,
            group_id=self._settings.prefixed(Role.RECONCILER),
            max_poll_interval_ms=2**31 - 1,
            rebalance_timeout_ms=REBALANCE_MS,
            request_timeout_ms=REBALANCE_MS + 5_000,
            fetch_max_wait_ms=IDLE_FETCH_MS,
        )
        member.subscribe([self._topic], listener=self)
        await member.start()
        try:
            self._health.good("starting")
            while not stop.is_set():
                member.pause(
                    *(member.assignment() - member.paused())
                )  # only the assignment matters
                self._working = asyncio.create_task(self._work(), name="comparison")
                stopping = asyncio.create_task(stop.wait())
                await asyncio.wait([self._working, stopping], return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
                await self._interrupt()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await stop.wait()
        finally:
            await self._interrupt()
            await member.stop()

    async def on_partitions_revoked(
        self,
        revoked: set[TopicPartition],  # noqa: ARG002  # always all partitions
    ) -> None:
        """Stop the comparison under way: another process may own its period now."""
        self._owned = frozenset()
        await self._interrupt()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Take over the partitions. Their finished periods are read when one is due."""
        self._owned = frozenset(tp.partition for tp in assigned)
        self._done = {}

    async def _interrupt(self) -> None:
        working, self._working = self._working, None
        if working is not None:
            working.cancel()
            await asyncio.wait([working])
            if not working.cancelled() and (error := working.exception()) is not None:
                raise error

    async def _work(self) -> None:
        """Compare all periods that are due, one after the other."""
        for period in self._due():
            self._due_since = self._due_since or self._clock.now()
            BEHIND_SECONDS.set((self._clock.now() - self._due_since) / 1000)
            try:
                await self._load()
                if period.name not in self._done:
                    await self._compare(period)
            except TwilioError as error:
                _note_failure(period, str(error))
                await asyncio.sleep(RETRY_S)
                return
            except (KafkaError, TimeoutError) as error:
                _note_failure(period, repr(error))
                return
            self._due_since = None
            BEHIND_SECONDS.set(0)

    def _due(self) -> list[TwilioPeriod]:
        found = due(self._clock.now(), self._done.keys(), self._rhythm)
        return [period for period in found if _partition(period.name) in self._owned]

    async def _load(self) -> None:
        """Read which periods of our partitions are done, including those that an earlier owner
        compared."""
        reader = Log(self._settings, lambda *_: None)
        await reader.start()
        try:
            spans = [await reader.span(RECONCILIATION_WINDOWS, n) for n in sorted(self._owned)]
            async for record in reader.read_all(spans):
                with contextlib.suppress(Undecodable):
                    window = decode(record.value) if record.value else None
                    if isinstance(window, ReconciliationWindow):
                        self._done[window.window] = window
        finally:
            await reader.stop()

    async def _compare(self, period: TwilioPeriod) -> None:
        compared = await self._comparison.compare(period)
        added = sum(task.added for task in compared)
        done = ReconciliationWindow(
            window=period.name,
            begins_at=period.begins_at,
            ends_at=period.ends_at,
            done_at=self._clock.now(),
            tasks=len(compared),
            added_events=added,
            instance=self._settings.instance,
        )
        await self._sender.send_and_wait(self._topic, encode(done), period.name.encode())
        self._done[period.name] = done
        PERIODS.labels(_kind(period), "done").inc()
        log.info("period compared", period=period.name, tasks=len(compared), added_events=added)
        await self._forget_old()

    async def _forget_old(self) -> None:
        """Delete the records of periods that can no longer become due."""
        now = self._clock.now()
        for name, window in list(self._done.items()):
            if now - window.done_at > KEPT_MS and _partition(name) in self._owned:
                await self._sender.send_and_wait(self._topic, None, name.encode())
                del self._done[name]


def _note_failure(period: TwilioPeriod, error: str) -> None:
    PERIODS.labels(_kind(period), "failed").inc()
    log.warning("a comparison failed; next try soon", period=period.name, error=error)


def _partition(name: str) -> int:
    return partition_of(name.encode(), RECONCILIATION_WINDOWS.partitions)


def _kind(period: TwilioPeriod) -> str:
    return period.name.partition(":")[0]
