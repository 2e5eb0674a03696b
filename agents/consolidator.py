"""The consolidator: joins calls, decisions, media streams and recordings into contacts.

What a contact is, is pure (`pipeline/contacts`); here it is wired to the topics and the database.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

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
from schemas.records import Contact, ContactState
from schemas.topics import CALLS, CONTACTS, POLICY, RECORDINGS, STREAM_EVENTS

log = structlog.get_logger(__name__)

RETRY_S = 1.0
SETTLED = -1
"""Instead of a policy version: no later one changes the contact."""

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

    def wants_ticks(self, state: ContactState) -> bool:  # noqa: ARG002 - the runner's interface
        """Always: at last, to be forgotten."""
        return True

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


class Saver:
    """Saves contacts, again and again while the database is away."""

    def __init__(
        self, save: Callable[[Contact], bool], health: Health, stop: asyncio.Event
    ) -> None:
        self._save = save
        self._health = health
        self._stop = stop

    async def __call__(
        self, _key: str, _before: ContactState | None, step: Step[ContactState]
    ) -> None:
        """The runner's `effects`: returns once the step's contact is saved, and not before, even
        where the process stops: what is not saved must not be committed either."""
        for output in step.outputs:
            if isinstance(output.record, Contact):
                await self._until_saved(output.record)

    async def _until_saved(self, made: Contact) -> None:
        while True:
            try:
                with SAVING.time():
                    fresh = await asyncio.to_thread(self._save, made)
            except (DataError, IntegrityError):
                # Trying again would not help: the contact is on `contacts`, the others go on.
                log.exception("contact refused by the database", task_sid=made.task_sid)
                SAVED.labels("refused").inc()
                return
            except SQLAlchemyError as error:
                SAVED.labels("failed").inc()
                self._health.bad("database", f"contacts cannot be saved ({type(error).__name__})")
                log.warning("contact not saved; tried again", error=type(error).__name__)
                await self._rest()
            else:
                self._health.good("database")
                SAVED.labels("saved" if fresh else "older").inc()
                return

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
        async with reading_policy(settings) as reader:

            async def follow(_: Partitions) -> None:
                await reader.follow()

            await run_table_role(
                settings,
                health,
                stop,
                role=Role.CONSOLIDATOR,
                sources=[CALLS, STREAM_EVENTS, RECORDINGS],
                targets=[CONTACTS],
                core=ContactsCore(reader.history),
                effects=Saver(Repository(engine).save, health, stop),
                companions=[follow],
            )
    finally:
        engine.dispose()
