"""The consolidator: joins calls, decisions, media streams and recordings into contacts.

The rules of a contact are pure (`pipeline/contacts`). This module connects them to the topics and
the database.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar, cast, get_args

import structlog
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from agents.faust_runner.core import Output, Step
from agents.faust_runner.role import Partitions, RoleParts, RoleSpec
from agents.faust_runner.runner import run_table_role
from agents.metrics import (
    CONTACT_SAVE_SECONDS,
    CONTACTS_FINAL,
    CONTACTS_SAVED,
    UNMATCHED_RECORDINGS,
)
from agents.policy_topic import reading_policy
from pipeline.contacts.contact import contact, is_settled, unmatched
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
from pipeline.runtime.kafka_watch import until_usable
from pipeline.runtime.log_clock import log_clock
from pipeline.runtime.settings import Role, Settings
from pipeline.runtime.telemetry import Health
from pipeline.store.database import open_database
from pipeline.store.repository import Repository
from pipeline.store.startup import ready
from pipeline.twilio.check_tasks import is_check_task
from schemas.codec import decode, encode
from schemas.records import Contact, ContactRecording, ContactState
from schemas.states import CaptureState
from schemas.topics import CALLS, CONTACTS, POLICY, RECORDINGS, STREAM_EVENTS, WORKERS

log = structlog.get_logger(__name__)

RETRY_S = 1.0
GATHERING_S = 0.1
"""A call that begins or ends produces about a dozen versions of its contact within this time. They
are fetched together, and one is saved. A fetch for each would cost the broker and this role more
than the records are worth, at the moment when the call's media stream must be started."""
SPEC = RoleSpec(
    name=Role.CONSOLIDATOR,
    sources=(CALLS, STREAM_EVENTS, RECORDINGS),
    targets=(CONTACTS,),
    gathering_s=GATHERING_S,
)
COUNT_S = 15.0
"""Interval (s) between two counts of recordings without a contact; each count queries the
database."""
SETTLED = -1
"""Stands for a policy version: no later version changes the contact."""

T = TypeVar("T")

_INPUTS: tuple[type, ...] = get_args(Input)


class ContactsCore:
    """The consolidator's core, with the interface that the runner expects."""

    def __init__(self, history: PolicyHistory) -> None:
        self._history = history

    def on_record(
        self, key: str, state: ContactState | None, record: object, now: int
    ) -> Step[ContactState]:
        """A record of `calls`, `stream.events` or `recordings`."""
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
        """Make the contact again if another policy version is in force. Forget the state if it is
        old enough."""
        if now - state.latest_at >= AWAITED_MS:
            return self._given_up(state, now)
        if now - state.latest_at >= KEPT_MS and self._may_go(state, now):
            return Step(None)
        if state.policy_version in (SETTLED, self._history.at(now).version):
            return Step(state)
        return self._made(touched(state, now), now)

    def wakes_at(self, state: ContactState) -> int | None:
        """Return the earliest time (ms) at which the state may be forgotten."""
        return state.latest_at + (AWAITED_MS if awaited(state) else KEPT_MS)

    def _made(self, state: ContactState, now: int) -> Step[ContactState]:
        made = contact(state, self._history, now)
        version = SETTLED if is_settled(made) else self._history.at(now).version
        capture = "" if made is None else made.capture
        kept = state
        if (kept.policy_version, kept.capture) != (version, capture):
            kept = replace(kept, policy_version=version, capture=capture)
        return Step(kept, () if made is None else (Output(CONTACTS, state.task_sid, made),))

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
        return Step(None, (Output(CONTACTS, state.task_sid, revised),))


class ContactStore(Protocol):
    """The part of `Repository` that is used here. The methods block."""

    def save(self, contact: Contact, state: bytes | None = None) -> bool:
        """Save a version of a contact, and the state that it was made from. Return False if a later
        version is already saved."""
        ...

    def save_unmatched(
        self, task_sid: str, recordings: Sequence[ContactRecording], state: bytes
    ) -> None:
        """Save recordings that belong to no contact, with the state that `state_of` is to return.
        They are attached when the task's contact is saved."""
        ...

    def count_unmatched(self) -> int:
        """Return the number of recordings that belong to no contact."""
        ...

    def state_of(self, contact_id: str) -> bytes | None:
        """Return the encoded state that the saved version was made from, or None."""
        ...


class Saver:
    """Saves and recalls contacts; retries while the database does not answer."""

    def __init__(self, contacts: ContactStore, health: Health, stop: asyncio.Event) -> None:
        self._contacts = contacts
        self._health = health
        self._stop = stop

    async def __call__(
        self, key: str, before: ContactState | None, step: Step[ContactState]
    ) -> None:
        """Save the step's contact, or its recordings if they belong to no contact. This is the
        runner's `effects`.

        Return only once they are saved, even if the process stops: until then the offset must not
        be committed.
        """
        state = None if step.state is None else encode(step.state)
        made = [o.record for o in step.outputs if isinstance(o.record, Contact)]
        for contact_version in made:
            if await self._save(contact_version, state):
                _count_final(before, contact_version)
        is_news = step.state is not before and not made
        if step.state is not None and state is not None and is_news:
            await self._save_unmatched(key, unmatched(step.state), state)

    async def count(self) -> None:
        """Count the recordings without a contact every `COUNT_S` seconds until cancelled."""
        while True:
            with contextlib.suppress(SQLAlchemyError):  # saving reports a failing database
                UNMATCHED_RECORDINGS.set(await asyncio.to_thread(self._contacts.count_unmatched))
            await asyncio.sleep(COUNT_S)

    async def recall(self, key: str) -> ContactState | None:
        """Return the state of a contact that was saved and is no longer in the table, or None. A
        late record is then added to it instead of replacing the contact. This is the runner's
        `recall`."""
        found = await self._insisting(lambda: self._contacts.state_of(key))
        return None if found is None else cast("ContactState", decode(found))

    async def _save(self, made: Contact, state: bytes | None) -> bool:
        """Save a version of a contact; return whether it is now the latest."""
        try:
            with CONTACT_SAVE_SECONDS.time():
                fresh = await self._insisting(lambda: self._contacts.save(made, state))
        except (DataError, IntegrityError):
            # A retry would not help. The contact is on `contacts`; the role continues with the
            # others.
            log.exception("contact refused by the database", task_sid=made.task_sid)
            CONTACTS_SAVED.labels("refused").inc()
            return False
        CONTACTS_SAVED.labels("saved" if fresh else "older").inc()
        return fresh

    async def _save_unmatched(
        self, task_sid: str, recordings: Sequence[ContactRecording], state: bytes
    ) -> None:
        if not recordings:
            return
        try:
            await self._insisting(
                lambda: self._contacts.save_unmatched(task_sid, recordings, state)
            )
        except (DataError, IntegrityError):
            log.exception("recordings refused by the database", task_sid=task_sid)
            CONTACTS_SAVED.labels("refused").inc()

    async def _insisting(self, work: Callable[[], T]) -> T:
        while True:
            try:
                done = await asyncio.to_thread(work)
            except (DataError, IntegrityError):
                raise
            except SQLAlchemyError as error:
                CONTACTS_SAVED.labels("failed").inc()
                self._health.bad("database", f"no answer ({type(error).__name__})")
                log.warning("no answer from the database; retrying", error=type(error).__name__)
                await self._rest()
            else:
                self._health.good("database")
                return done

    async def _rest(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RETRY_S):
                await self._stop.wait()
        if self._stop.is_set():
            await asyncio.get_running_loop().create_future()  # until the runner cancels it


def _count_final(before: ContactState | None, made: Contact) -> None:
    """Count a contact when its capture becomes final, and when a final capture changes."""
    if not made.in_progress and made.capture not in (
        CaptureState.PENDING,
        before and before.capture,
    ):
        CONTACTS_FINAL.labels(made.capture).inc()


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
