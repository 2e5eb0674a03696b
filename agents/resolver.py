"""The resolver: finds the task of CTI events that have only a call SID, and collects workers'
names.

The tracker writes the legs of a call to `call.aliases`. The resolver writes an event of a leg to
`cti.resolved` under its task as soon as both are known (`pipeline/calls/aliases.py`). The tracker
writes the names in reservations to `workers.seen`; the resolver writes all names of a worker to
`workers` (`pipeline/calls/identities.py`).
"""

import asyncio
from typing import Any

from agents.faust_runner.core import Output, Refusal, Step
from agents.faust_runner.role import RoleParts, RoleSpec
from agents.faust_runner.runner import run_table_role
from agents.metrics import EVENTS_LET_GO, EVENTS_RESOLVED
from pipeline.calls.aliases import Resolved, TooManyWaiting, add_alias, resolve_event, wakes_at
from pipeline.calls.cloud_events import known_callback
from pipeline.calls.identities import with_sighting
from pipeline.runtime.log_clock import log_clock
from pipeline.runtime.settings import Role, Settings
from pipeline.runtime.telemetry import Health
from schemas.records import CallAlias, CallAliasState, CtiEvent, Worker, WorkerSeen
from schemas.topics import CALL_ALIASES, CTI_EVENTS, CTI_RESOLVED, WORKERS, WORKERS_SEEN

SPEC = RoleSpec(
    name=Role.RESOLVER,
    sources=(CTI_EVENTS, CALL_ALIASES, WORKERS_SEEN),
    targets=(CTI_RESOLVED, WORKERS),
)


Kept = CallAliasState | Worker


class ResolverCore:
    """The state of a call SID is its task, or the events that wait for the task. The state of a
    worker SID is the worker's names."""

    def on_record(
        self,
        key: str,
        state: Kept | None,
        record: CtiEvent | CallAlias | WorkerSeen,
        now: int,
    ) -> Step[Kept]:
        """Handle a leg's alias, a worker's names, or a CTI event. CTI events other than those with
        a leg and no task are ignored."""
        if isinstance(record, WorkerSeen):
            return _worker_step(key, state if isinstance(state, Worker) else None, record, now)
        if isinstance(state, Worker):
            return Step(state)
        match record:
            case CallAlias():
                return _step(add_alias(key, state, record, now))
            case CtiEvent(task_sid=None) if record.call_sid == key and known_callback(record.type):
                found = resolve_event(key, state, record, now)
            case _:
                return Step(state)
        if isinstance(found, TooManyWaiting):
            why = f"{found.waiting} events of {key} already wait for its task"
            return Step(state, refused=Refusal("too-many-waiting", why))
        return _step(found)

    def on_tick(self, key: str, state: Kept, now: int) -> Step[Kept]:  # noqa: ARG002
        """Forget a leg after its time. Workers are kept."""
        if isinstance(state, Worker) or now < wakes_at(state):
            return Step(state)
        return Step(None)

    def wakes_at(self, state: Kept) -> int | None:
        """Return the time (ms) at which a leg is forgotten; None for a worker."""
        return None if isinstance(state, Worker) else wakes_at(state)


def _worker_step(key: str, state: Worker | None, seen: WorkerSeen, now: int) -> Step[Kept]:
    after = with_sighting(state, seen, now)
    if after is None or seen.worker_sid != key:
        return Step(state)
    return Step(after, (Output(WORKERS, key, after),))


def _step(found: Resolved) -> Step[Kept]:
    events = (Output(CTI_RESOLVED, e.task_sid or "", e) for e in found.passed_on)
    contested = (Output(CTI_RESOLVED, each.task_sid, each) for each in found.contested)
    return Step(found.state, (*events, *contested))


def count(_key: str, before: Kept | None, _record: Any, step: Step[Kept], _now: int) -> None:
    """Count the events that a step resolves or drops."""
    EVENTS_RESOLVED.inc(sum(isinstance(output.record, CtiEvent) for output in step.outputs))
    if isinstance(before, CallAliasState) and step.state is None:
        EVENTS_LET_GO.inc(len(before.waiting))


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Run the resolver until `stop` is set."""
    async with log_clock(settings, health) as clock:
        parts = RoleParts(core=ResolverCore(), observe=count)
        await run_table_role(settings, health, stop, SPEC, parts, clock=clock)
