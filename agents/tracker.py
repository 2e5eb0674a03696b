"""The tracker: folds CTI events into calls, and puts each version of a call on `calls`.

Events that have a call SID and no task SID come through the resolver, on `cti.resolved`.

It also writes the ticks: one a second on each partition that it owns. All cores take the time from
the Kafka timestamps of ticks and other records.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from agents.faust_runner.core import Output, Refusal, Step
from agents.faust_runner.role import RoleParts, RoleSpec
from agents.faust_runner.runner import run_table_role
from agents.ticking import Ticking
from agents.tracker_metrics import REPEATED, TrackerMetrics
from pipeline.calls.aliases import learned
from pipeline.calls.channels import VOICE_CHANNELS
from pipeline.calls.events import Silent
from pipeline.calls.identities import Named, sightings
from pipeline.calls.lifetime import (
    Applied,
    Kept,
    TooLate,
    aged,
    apply_contested,
    apply_event,
    apply_fetched,
    remaining,
    wakes_at,
)
from pipeline.runtime.kafka import know_topics, producer
from pipeline.runtime.kafka_answers import until_answered
from pipeline.runtime.log_clock import log_clock
from pipeline.runtime.settings import Role, Settings
from pipeline.runtime.telemetry import Health
from schemas.records import Call, CtiEvent, LegContested, LegFetched
from schemas.topics import (
    CALL_ALIASES,
    CALLS,
    CTI_EVENTS,
    CTI_RESOLVED,
    TICKS,
    WORKERS_SEEN,
)

log = structlog.get_logger(__name__)

Input = CtiEvent | LegContested | LegFetched

SPEC = RoleSpec(
    name=Role.TRACKER,
    sources=(CTI_EVENTS, CTI_RESOLVED),
    targets=(CALLS, CALL_ALIASES, WORKERS_SEEN, TICKS),
)

TICK_SECONDS = 1.0
WRITTEN_MS = 10 * 60 * 1000
"""The same names of a worker are written at most once within this time (ms): they rarely change."""
MAX_WRITTEN = 50_000


class TrackerCore:
    """The state of a key is its call, or a mark that the call was forgotten. Each new version of a
    call is published, with its new legs and the names of its workers. `voice_channels`: lower-case
    names of task channels."""

    def __init__(self, voice_channels: frozenset[str] = VOICE_CHANNELS) -> None:
        self._voice_channels = voice_channels
        self._written: dict[tuple[str, tuple[Named, ...]], int] = {}

    def on_record(self, key: str, state: Kept | None, record: Input, now: int) -> Step[Kept]:
        """Handle an event of the call, another task that names one of its legs, or the ends of a
        leg."""
        if record.task_sid is None:  # the resolver looks for its task
            return Step(state)
        if record.task_sid != key:
            raise ValueError(f"an event of {record.task_sid} under the key {key}")
        left = remaining(state, now)
        outputs = _versions(key, left.versions)
        match self._applied(left.state, record, now):
            case Silent(reason=reason):
                return Step(state, ignored=reason)
            case TooLate(detail=detail):
                return Step(left.state, outputs, Refusal("too-late", detail))
            case Applied(state=after, news=news):
                if news is None:
                    return Step(after, outputs, ignored=REPEATED)
                published = (
                    *_versions(key, (news,)),
                    *_aliases(left.state, news),
                    *self._sightings(left.state, news, now),
                )
                return Step(after, (*outputs, *published))

    def _applied(self, state: Kept | None, record: Input, now: int) -> Applied | Silent | TooLate:
        if isinstance(record, LegFetched):
            return apply_fetched(state, record, now)
        if isinstance(record, LegContested):
            return apply_contested(state, record, now)
        return apply_event(state, record, now, self._voice_channels)

    def _sightings(self, before: Kept | None, after: Call, now: int) -> tuple[Output, ...]:
        """Return the new names of the call's workers, unless this process wrote them lately."""
        found = []
        for seen in sightings(_call(before), after):
            names = seen.worker_sid, tuple((i.kind, i.value) for i in seen.identities)
            if now >= self._written.get(names, 0) + WRITTEN_MS:
                self._written[names] = now
                found.append(Output(WORKERS_SEEN, seen.worker_sid, seen))
        if len(self._written) > MAX_WRITTEN:
            self._written.clear()
        return tuple(found)

    def on_tick(self, key: str, state: Kept, now: int) -> Step[Kept]:
        """Close a call that has had no end for too long; forget a call that no event can reach."""
        left = aged(state, now)
        return Step(left.state, _versions(key, left.versions))

    def wakes_at(self, state: Kept) -> int | None:
        """Return the time (ms) at which `on_tick` has something to do, or None."""
        return wakes_at(state)


def _versions(key: str, calls: Sequence[Call]) -> tuple[Output, ...]:
    return tuple(Output(CALLS, key, call) for call in calls)


def _aliases(before: Kept | None, after: Call) -> tuple[Output, ...]:
    aliases = learned(_call(before), after)
    return tuple(Output(CALL_ALIASES, alias.call_sid, alias) for alias in aliases)


def _call(state: Kept | None) -> Call | None:
    return state if isinstance(state, Call) else None


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Run the tracker until `stop` is set."""
    async with log_clock(settings, health) as clock:

        async def ticking(owned: Callable[[], frozenset[int]]) -> None:
            await write_ticks(settings, owned, clock.seconds, health)

        core = TrackerCore(settings.voice_channels)
        parts = RoleParts(core=core, observe=TrackerMetrics().observe, companions=(ticking,))
        await run_table_role(settings, health, stop, SPEC, parts, clock=clock)


async def write_ticks(
    settings: Settings,
    owned: Callable[[], frozenset[int]],
    clock: Callable[[], float],
    health: Health,
) -> None:
    """Write a tick each second to each owned partition, at the whole second of the log's clock
    (`clock`, s since the epoch). Never return."""
    sender = producer(settings, source=Role.TRACKER)
    ticking = Ticking(sender, settings.prefixed(TICKS.name))
    try:
        await until_answered(sender.start, "the start of the ticks", health)
        await until_answered(
            lambda: know_topics(sender, settings, [TICKS]), "the topic of the ticks", health
        )
        while True:
            await asyncio.sleep(TICK_SECONDS - clock() % TICK_SECONDS)
            ticking.tick(owned(), round(clock() * 1000))
    finally:
        await sender.stop()
