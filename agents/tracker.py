"""The tracker: folds CTI events into calls, and puts each version of a call on `calls`.

It also writes the ticks, the clock of all cores: one a second on each partition that it owns.
"""

import asyncio
import time
from collections.abc import Callable

import structlog
from prometheus_client import Counter

from agents.app import Output, Step, run_table_role
from pipeline.calls.events import Silent
from pipeline.calls.state import fold, forgettable
from pipeline.kafka import producer
from pipeline.settings import Role, Settings
from pipeline.telemetry import Health
from schemas.codec import encode
from schemas.records import Call, CtiEvent, Tick
from schemas.topics import CALLS, CTI_EVENTS, TICKS

log = structlog.get_logger(__name__)

TICK_SECONDS = 1.0

IGNORED = Counter("flexcapture_tracker_ignored_total", "Events that say nothing", ["reason"])
REPEATED = Counter("flexcapture_tracker_repeated_total", "Events that changed nothing")
VERSIONS = Counter("flexcapture_tracker_versions_total", "Versions of calls", ["state"])
FORGOTTEN = Counter("flexcapture_tracker_forgotten_total", "Calls whose state was dropped")


class TrackerCore:
    """The state of a key is its call; every new version is published."""

    def on_record(self, key: str, state: Call | None, record: CtiEvent, now: int) -> Step[Call]:
        """One more event of the call."""
        del now
        if record.task_sid is not None and record.task_sid != key:
            raise ValueError(f"an event of {record.task_sid} under the key {key}")
        folded = fold(state, record)
        if isinstance(folded, Silent):
            IGNORED.labels(folded.reason).inc()
            return Step(state)
        if not folded.news:
            REPEATED.inc()
            return Step(folded.call)
        VERSIONS.labels(folded.call.state).inc()
        return Step(folded.call, (Output(CALLS, key, folded.call),))

    def on_tick(self, key: str, state: Call, now: int) -> Step[Call]:
        """Forgets what no event can reach any more."""
        del key
        if not forgettable(state, now):
            return Step(state)
        FORGOTTEN.inc()
        return Step(None)

    def wants_ticks(self, state: Call) -> bool:
        """Always: tables stay bounded."""
        del state
        return True


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """The role."""

    async def ticking(owned: Callable[[], frozenset[int]]) -> None:
        await write_ticks(settings, owned)

    await run_table_role(
        settings,
        health,
        stop,
        role=Role.TRACKER,
        sources=[CTI_EVENTS],
        targets=[CALLS],
        core=TrackerCore(),
        companions=[ticking],
    )


async def write_ticks(
    settings: Settings,
    owned: Callable[[], frozenset[int]],
    clock: Callable[[], float] = time.time,
) -> None:
    """Writes a tick a second on each owned partition, on the whole second. Never returns."""
    sender = producer(settings)
    await sender.start()
    topic = settings.prefixed(TICKS.name)
    try:
        while True:
            await asyncio.sleep(TICK_SECONDS - clock() % TICK_SECONDS)
            tick = encode(Tick(at=round(clock() * 1000)))
            sent = [await sender.send(topic, tick, partition=p) for p in sorted(owned())]
            for record in sent:
                await record
    finally:
        await sender.stop()
