"""The consolidator: joins calls, decisions, media streams and recordings into contacts.

The rules of a contact are pure (`pipeline/contacts`). This module connects them to the topics and
the database.
"""

import asyncio
import hashlib
from dataclasses import replace
from typing import get_args

from agents.contact_saver import Saver
from agents.faust_runner.core import Output, Step
from agents.faust_runner.role import Partitions, RoleParts, RoleSpec
from agents.faust_runner.runner import run_table_role
from agents.policy_topic import reading_policy
from pipeline.contacts.contact import contact, is_settled
from pipeline.contacts.state import (
    AWAITED_MS,
    KEPT_MS,
    Input,
    awaited,
    empty,
    fold,
    is_forgettable,
    touched,
)
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.reconciliation.result import UNKNOWN_MS, without_contact
from pipeline.runtime.kafka_watch import until_usable
from pipeline.runtime.log_clock import log_clock
from pipeline.runtime.settings import Role, Settings
from pipeline.runtime.telemetry import Health
from pipeline.store.database import open_database
from pipeline.store.repository import Repository
from pipeline.store.startup import ready
from pipeline.twilio.check_tasks import is_check_task
from schemas.records import Contact, ContactState, Reconciliation
from schemas.states import CaptureState
from schemas.topics import (
    CALLS,
    CONTACTS,
    POLICY,
    RECONCILIATION_EVIDENCE,
    RECONCILIATIONS,
    RECORDINGS,
    STREAM_EVENTS,
    WORKERS,
)

GATHERING_S = 0.1
"""A call that begins or ends produces about a dozen versions of its contact within this time. They
are fetched together, and one is saved. A fetch for each would cost the broker and this role more
than the records are worth, at the moment when the call's media stream must be started."""
SPEC = RoleSpec(
    name=Role.CONSOLIDATOR,
    sources=(CALLS, STREAM_EVENTS, RECORDINGS, RECONCILIATION_EVIDENCE),
    targets=(CONTACTS, RECONCILIATIONS),
    gathering_s=GATHERING_S,
)
SETTLED = -1
"""Stands for a policy version: no later version changes the contact."""

_INPUTS: tuple[type, ...] = get_args(Input)


class ContactsCore:
    """The consolidator's core, with the interface that the runner expects."""

    def __init__(self, history: PolicyHistory) -> None:
        self._history = history

    def on_record(
        self, key: str, state: ContactState | None, record: object, now: int
    ) -> Step[ContactState]:
        """Handle a record of `calls`, `stream.events`, `recordings` or
        `reconciliation.evidence`."""
        if not isinstance(record, _INPUTS) or is_check_task(key):
            return Step(state)
        before = state or empty(key)
        after = fold(before, record, now)  # type: ignore[arg-type]
        return Step(state) if after is before else self._made(after, now)

    def on_tick(
        self,
        key: str,  # noqa: ARG002 - the runner's interface
        state: ContactState,
        now: int,
    ) -> Step[ContactState]:
        """Compute the contact again if another policy version is in force. Forget the state if it
        is old enough."""
        if _is_unexplained(state) and now - state.latest_at >= UNKNOWN_MS:
            return self._made(state, now)
        if now - state.latest_at >= AWAITED_MS:
            return self._given_up(state, now)
        if now - state.latest_at >= KEPT_MS and self._may_go(state, now):
            return Step(None)
        if state.policy_version in (SETTLED, self._history.at(now).version):
            return Step(state)
        return self._made(touched(state, now), now)

    def wakes_at(self, state: ContactState) -> int | None:
        """Return the earliest time (ms) at which the state may be forgotten, or at which evidence
        without a contact becomes a result."""
        if _is_unexplained(state):
            return state.latest_at + UNKNOWN_MS
        return state.latest_at + (AWAITED_MS if awaited(state) else KEPT_MS)

    def _made(self, state: ContactState, now: int) -> Step[ContactState]:
        made = contact(state, self._history, now)
        version = SETTLED if is_settled(made) else self._history.at(now).version
        capture = "" if made is None else made.capture
        kept = state
        if (kept.policy_version, kept.capture) != (version, capture):
            kept = replace(kept, policy_version=version, capture=capture)
        outputs = () if made is None else (Output(CONTACTS, state.task_sid, made),)
        compared = self._compared(state, made, now)
        if compared is None or (digest := _digest(compared)) == state.reconciled:
            return Step(kept, outputs)
        result = Output(RECONCILIATIONS, state.task_sid, compared)
        return Step(replace(kept, reconciled=digest), (*outputs, result))

    def _compared(
        self, state: ContactState, made: Contact | None, now: int
    ) -> Reconciliation | None:
        """Return the result of the comparison with Twilio's records, or None if there is none
        yet."""
        if made is not None:
            return made.reconciliation
        if state.evidence is None or now - state.latest_at < UNKNOWN_MS:
            return None
        version = self._history.at(state.evidence.checked_at).version
        is_call = state.call is not None
        return without_contact(state.evidence, version, state.latest_at, is_call=is_call)

    def _may_go(self, state: ContactState, now: int) -> bool:
        if awaited(state):
            return False
        made = contact(state, self._history, now)
        return is_forgettable(state, over=made is None or not made.in_progress, now=now)

    def _given_up(self, state: ContactState, now: int) -> Step[ContactState]:
        """Forget the state: the records that it still waits for are no longer expected. If the
        contact's capture is still pending, publish a last version, computed for the time when that
        became certain."""
        if state.capture != CaptureState.PENDING:
            return Step(None)
        last = contact(state, self._history, state.latest_at + AWAITED_MS)
        if last is None or last.capture == CaptureState.PENDING:
            return Step(None)
        revised = replace(last, revision=last.revision + 1, updated_at=now)
        outputs = [Output(CONTACTS, state.task_sid, revised)]
        if last.reconciliation is not None:
            outputs.append(Output(RECONCILIATIONS, state.task_sid, last.reconciliation))
        return Step(None, tuple(outputs))


def _is_unexplained(state: ContactState) -> bool:
    """Return whether there is evidence, and neither a contact nor a result."""
    return state.evidence is not None and not state.reconciled and not state.capture


def _digest(compared: Reconciliation) -> str:
    """Return a short text that differs for different results."""
    return hashlib.sha256(repr(replace(compared, updated_at=0)).encode()).hexdigest()[:16]


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Run the consolidator until `stop` is set."""
    engine = open_database(settings.need("database_url", "the SQLAlchemy URL of the database"))
    try:
        if not await ready(engine, health, stop):
            return
        await until_usable(settings, health, reads=[POLICY, WORKERS])
        async with (
            log_clock(settings, health) as clock,
            reading_policy(settings, health, with_workers=True) as reader,
        ):

            async def follow(_: Partitions) -> None:
                await reader.follow()

            saver = Saver(Repository(engine), health, stop)

            async def count(_: Partitions) -> None:
                await saver.count()

            parts = RoleParts(
                core=ContactsCore(reader.history),
                effects=saver,
                recall=saver.recall,
                rules=lambda now: reader.history.at(now).version,
                companions=(follow, count),
            )
            await run_table_role(settings, health, stop, SPEC, parts, clock=clock)
    finally:
        engine.dispose()
