"""The resolver: finds the task of CTI events that carry a call SID only.

The tracker tells on `call.aliases` which legs a call has; an event of a leg goes on under its task,
on `cti.resolved`, as soon as both are known. What is done with either is pure
(`pipeline/calls/aliases.py`).
"""

import asyncio

from prometheus_client import Counter

from agents.app import Output, Refusal, Step, run_table_role
from pipeline.calls.aliases import Resolved, TooManyWaiting, heard, taught, wakes_at
from pipeline.calls.cloud_events import known_callback
from pipeline.log_clock import log_clock
from pipeline.settings import Role, Settings
from pipeline.telemetry import Health
from schemas.records import CallAlias, CallAliasState, CtiEvent
from schemas.topics import CALL_ALIASES, CTI_EVENTS, CTI_RESOLVED

RESOLVED = Counter("flexcapture_resolver_resolved_total", "Events whose task was found")
LET_GO = Counter("flexcapture_resolver_let_go_total", "Events that waited for a task in vain")


class ResolverCore:
    """The state of a call SID is its task, or what waits for it."""

    def on_record(
        self, key: str, state: CallAliasState | None, record: CtiEvent | CallAlias, now: int
    ) -> Step[CallAliasState]:
        """A leg's alias; or any CTI event: only those are taken that have a leg and no task."""
        match record:
            case CallAlias():
                return _step(taught(key, state, record, now))
            case CtiEvent(task_sid=None) if record.call_sid == key and known_callback(record.type):
                found = heard(key, state, record, now)
            case _:
                return Step(state)
        if isinstance(found, TooManyWaiting):
            why = f"{found.waiting} events of {key} wait for its task already"
            return Step(state, refused=Refusal("too-many-waiting", why))
        return _step(found)

    def on_tick(self, key: str, state: CallAliasState, now: int) -> Step[CallAliasState]:  # noqa: ARG002
        """Forgets the leg when its time has come."""
        if now < wakes_at(state):
            return Step(state)
        LET_GO.inc(len(state.waiting))
        return Step(None)

    def wakes_at(self, state: CallAliasState) -> int | None:
        """When it is to be forgotten."""
        return wakes_at(state)


def _step(found: Resolved) -> Step[CallAliasState]:
    RESOLVED.inc(len(found.passed_on))
    outputs = (Output(CTI_RESOLVED, e.task_sid or "", e) for e in found.passed_on)
    return Step(found.state, tuple(outputs))


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """The role."""
    async with log_clock(settings, health) as clock:
        await run_table_role(
            settings,
            health,
            stop,
            role=Role.RESOLVER,
            clock=clock,
            sources=[CTI_EVENTS, CALL_ALIASES],
            targets=[CTI_RESOLVED],
            core=ResolverCore(),
        )
