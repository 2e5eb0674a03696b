"""The consolidator: joins calls, decisions, media streams and recordings into contacts.

What a contact is, is pure (`pipeline/contacts`); here it is wired to the topics and the database.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar, cast, get_args

import structlog
from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from agents.app import Output, Partitions, Step, run_table_role
from agents.policy_topic import reading_policy
from pipeline.calls.policy import PolicyHistory
from pipeline.contacts.capture import PENDING
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
from pipeline.kafka_watch import until_usable
from pipeline.log_clock import log_clock
from pipeline.settings import Role, Settings
from pipeline.store.database import open_database
from pipeline.store.opening import ready
from pipeline.store.repository import Repository
from pipeline.telemetry import Health
from pipeline.twilio.check_tasks import is_check_task
from schemas.codec import decode, encode
from schemas.records import Contact, ContactRecording, ContactState
from schemas.topics import CALLS, CONTACTS, POLICY, RECORDINGS, STREAM_EVENTS, WORKERS

log = structlog.get_logger(__name__)

RETRY_S = 1.0
GATHERING_S = 0.1
"""A call that begins or ends makes a dozen versions of its contact within that; they are fetched at
once, and one is saved. A fetch for each costs the broker and this role more than what is in it, at
the very moment when the call's media stream is to be started."""
COUNT_S = 15.0
"""How often the recordings without a contact are counted, which asks the database."""
SETTLED = -1
"""Instead of a policy version: no later one changes the contact."""

T = TypeVar("T")

_INPUTS: tuple[type, ...] = get_args(Input)

SAVED = Counter("flexcapture_contacts_saved", "Versions of contacts", ["outcome"])
SAVING = Histogram(
    "flexcapture_contact_save_seconds",
    "Time to save a version of a contact",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
)
FINAL = Counter(
    "flexcapture_contacts_final",
    "Ended contacts whose recordings are complete, by capture; again if it changes later",
    ["capture"],
)
UNMATCHED = Gauge(
    "flexcapture_unmatched_recordings", "Recordings in the database that belong to no contact"
)


class ContactsCore:
    """The consolidator's core, as the runner wants it."""

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
        """Time passed: another version of the monitored list may be in force, or the state old
        enough to go."""
        if now - state.latest_at >= AWAITED_MS:
            return self._given_up(state, now)
        if now - state.latest_at >= KEPT_MS and self._may_go(state, now):
            return Step(None)
        if state.policy_version in (SETTLED, self._history.at(now).version):
            return Step(state)
        return self._made(touched(state, now), now)

    def wakes_at(self, state: ContactState) -> int | None:
        """When it may be forgotten at the earliest."""
        return state.latest_at + KEPT_MS

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
        """The state goes. What is awaited will not come any more: a contact that is still pending
        for its sake gets a last version, made as of when that became certain."""
        if state.capture != PENDING:
            return Step(None)
        last = contact(state, self._history, state.latest_at + AWAITED_MS)
        if last is None or last.capture == PENDING:
            return Step(None)
        revised = replace(last, revision=last.revision + 1, updated_at=now)
        return Step(None, (Output(CONTACTS, state.task_sid, revised),))


class Contacts(Protocol):
    """The part of `Repository` that is used here. Blocks."""

    def save(self, contact: Contact, state: bytes | None = None) -> bool:
        """Saves a version, and what it was made from; False where a later one is there."""
        ...

    def save_unmatched(
        self, task_sid: str, recordings: Sequence[ContactRecording], state: bytes
    ) -> None:
        """Saves recordings that belong to no contact, and the state that `state_of` then gives.
        Saving the task's contact attaches them."""
        ...

    def count_unmatched(self) -> int:
        """Returns how many recordings belong to no contact."""
        ...

    def state_of(self, contact_id: str) -> bytes | None:
        """What the version that is there was made from."""
        ...


class Saver:
    """Saves contacts and recalls them, again and again while the database is away."""

    def __init__(self, contacts: Contacts, health: Health, stop: asyncio.Event) -> None:
        self._contacts = contacts
        self._health = health
        self._stop = stop

    async def __call__(
        self, key: str, before: ContactState | None, step: Step[ContactState]
    ) -> None:
        """The runner's `effects`. Returns once the step's contact is saved, or its recordings if
        they belong to no contact; not before, even if the process stops, because what is not saved
        must not be committed either."""
        state = None if step.state is None else encode(step.state)
        made = [o.record for o in step.outputs if isinstance(o.record, Contact)]
        for contact_version in made:
            if await self._save(contact_version, state):
                _count_final(before, contact_version)
        is_news = step.state is not before and not made
        if step.state is not None and state is not None and is_news:
            await self._save_unmatched(key, unmatched(step.state), state)

    async def count(self) -> None:
        """Counts the recordings without a contact, again and again, until cancelled."""
        while True:
            with contextlib.suppress(SQLAlchemyError):  # whether it answers, saving finds out
                UNMATCHED.set(await asyncio.to_thread(self._contacts.count_unmatched))
            await asyncio.sleep(COUNT_S)

    async def recall(self, key: str) -> ContactState | None:
        """The runner's `recall`: the state of a contact that was saved, and is in the table no
        more. A record that comes late then adds to it, and takes nothing away."""
        found = await self._insisting(lambda: self._contacts.state_of(key))
        return None if found is None else cast("ContactState", decode(found))

    async def _save(self, made: Contact, state: bytes | None) -> bool:
        """Save a version of a contact; return whether it is the latest one now."""
        try:
            with SAVING.time():
                fresh = await self._insisting(lambda: self._contacts.save(made, state))
        except (DataError, IntegrityError):
            # Trying again would not help: the contact is on `contacts`, the others go on.
            log.exception("contact refused by the database", task_sid=made.task_sid)
            SAVED.labels("refused").inc()
            return False
        SAVED.labels("saved" if fresh else "older").inc()
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
            SAVED.labels("refused").inc()

    async def _insisting(self, work: Callable[[], T]) -> T:
        while True:
            try:
                done = await asyncio.to_thread(work)
            except (DataError, IntegrityError):
                raise
            except SQLAlchemyError as error:
                SAVED.labels("failed").inc()
                self._health.bad("database", f"it does not answer ({type(error).__name__})")
                log.warning("no answer from the database; asked again", error=type(error).__name__)
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
    if not made.in_progress and made.capture not in (PENDING, before and before.capture):
        FINAL.labels(made.capture).inc()


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """The role consolidator."""
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

            await run_table_role(
                settings,
                health,
                stop,
                role=Role.CONSOLIDATOR,
                clock=clock,
                sources=[CALLS, STREAM_EVENTS, RECORDINGS],
                targets=[CONTACTS],
                core=ContactsCore(reader.history),
                effects=saver,
                recall=saver.recall,
                rules=lambda now: reader.history.at(now).version,
                gathering_s=GATHERING_S,
                companions=[follow, count],
            )
    finally:
        engine.dispose()
