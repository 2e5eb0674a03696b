"""The consolidator: joins calls, decisions, media streams and recordings into contacts.

What a contact is, is pure (`pipeline/contacts`); here it is wired to the topics and the database.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar, cast, get_args

import structlog
from prometheus_client import Counter, Histogram
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from agents.app import Output, Partitions, Step, run_table_role
from agents.policy_topic import reading_policy
from pipeline.calls.policy import PolicyHistory
from pipeline.contacts.contact import contact, is_settled
from pipeline.contacts.state import AWAITED_MS, KEPT_MS, Input, empty, fold, is_forgettable, touched
from pipeline.kafka import ensure_topics
from pipeline.settings import Role, Settings
from pipeline.store.database import open_database
from pipeline.store.opening import ready
from pipeline.store.repository import Repository
from pipeline.telemetry import Health
from schemas.codec import decode, encode
from schemas.records import Contact, ContactState
from schemas.topics import CALLS, CONTACTS, POLICY, RECORDINGS, STREAM_EVENTS

log = structlog.get_logger(__name__)

RETRY_S = 1.0
GATHERING_S = 0.1
"""A call that begins or ends makes a dozen versions of its contact within that; they are fetched at
once, and one is saved. A fetch for each costs the broker and this role more than what is in it, at
the very moment when the call's media stream is to be started."""
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


class ContactsCore:
    """The consolidator's core, as the runner wants it."""

    def __init__(self, history: PolicyHistory) -> None:
        self._history = history

    def on_record(
        self, key: str, state: ContactState | None, record: object, now: int
    ) -> Step[ContactState]:
        """A record of `calls`, `stream.events` or `recordings`."""
        if not isinstance(record, _INPUTS):
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
        kept = _with_policy(state, version)
        return Step(kept, () if made is None else (Output(CONTACTS, state.task_sid, made),))

    def _may_go(self, state: ContactState, now: int) -> bool:
        if now - state.latest_at >= AWAITED_MS:
            return True
        made = contact(state, self._history, now)
        return is_forgettable(state, over=made is None or not made.in_progress, now=now)


class Contacts(Protocol):
    """The part of `Repository` that is used here. Blocks."""

    def save(self, contact: Contact, state: bytes | None = None) -> bool:
        """Saves a version, and what it was made from; False where a later one is there."""
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
        self, _key: str, _before: ContactState | None, step: Step[ContactState]
    ) -> None:
        """The runner's `effects`: returns once the step's contact is saved, and not before, even
        where the process stops: what is not saved must not be committed either."""
        state = None if step.state is None else encode(step.state)
        for output in step.outputs:
            if isinstance(output.record, Contact):
                await self._save(output.record, state)

    async def recall(self, key: str) -> ContactState | None:
        """The runner's `recall`: the state of a contact that was saved, and is in the table no
        more. A record that comes late then adds to it, and takes nothing away."""
        found = await self._insisting(lambda: self._contacts.state_of(key))
        return None if found is None else cast("ContactState", decode(found))

    async def _save(self, made: Contact, state: bytes | None) -> None:
        try:
            with SAVING.time():
                fresh = await self._insisting(lambda: self._contacts.save(made, state))
        except (DataError, IntegrityError):
            # Trying again would not help: the contact is on `contacts`, the others go on.
            log.exception("contact refused by the database", task_sid=made.task_sid)
            SAVED.labels("refused").inc()
        else:
            SAVED.labels("saved" if fresh else "older").inc()

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


def _with_policy(state: ContactState, version: int) -> ContactState:
    return state if state.policy_version == version else replace(state, policy_version=version)


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """The role consolidator."""
    engine = open_database(settings.need("database_url", "the SQLAlchemy URL of the database"))
    try:
        if not await ready(engine, health, stop):
            return
        await ensure_topics(settings, [POLICY])
        async with reading_policy(settings, health) as reader:

            async def follow(_: Partitions) -> None:
                await reader.follow()

            saver = Saver(Repository(engine), health, stop)
            await run_table_role(
                settings,
                health,
                stop,
                role=Role.CONSOLIDATOR,
                sources=[CALLS, STREAM_EVENTS, RECORDINGS],
                targets=[CONTACTS],
                core=ContactsCore(reader.history),
                effects=saver,
                recall=saver.recall,
                rules=lambda now: reader.history.at(now).version,
                gathering_s=GATHERING_S,
                companions=[follow],
            )
    finally:
        engine.dispose()
