"""Save contacts in the database, and recall the states that they were made from."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar, cast

import structlog
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    SQLAlchemyError,
    StatementError,
)

from agents.faust_runner.core import Step
from agents.metrics import (
    CONTACT_SAVE_SECONDS,
    CONTACTS_FINAL,
    CONTACTS_SAVED,
    RECONCILED,
    UNMATCHED_RECORDINGS,
)
from pipeline.contacts.contact import unmatched
from pipeline.runtime.telemetry import Health
from schemas.codec import decode, encode
from schemas.records import Contact, ContactRecording, ContactState, Reconciliation
from schemas.states import CaptureState

log = structlog.get_logger(__name__)

RETRY_S = 1.0
COUNT_S = 15.0
"""Interval (s) between two counts of recordings without a contact; each count queries the
database."""

T = TypeVar("T")


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
        for output in step.outputs:
            if isinstance(output.record, Reconciliation):
                RECONCILED.labels(output.record.result).inc()
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
        except StatementError:
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
        except StatementError:
            log.exception("recordings refused by the database", task_sid=task_sid)
            CONTACTS_SAVED.labels("refused").inc()

    async def _insisting(self, work: Callable[[], T]) -> T:
        """Return the result of `work`; retry while the database does not answer. Raise
        `StatementError` if the database refuses the values, or the driver cannot represent them."""
        while True:
            try:
                done = await asyncio.to_thread(work)
            except SQLAlchemyError as error:
                if _is_refusal(error):
                    raise
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


def _is_refusal(error: SQLAlchemyError) -> bool:
    """Return whether the values caused the error, and not the database's state. A driver reports
    its errors as `DBAPIError`; any other `StatementError` means that a value could not be passed to
    the driver."""
    is_local = isinstance(error, StatementError) and not isinstance(error, DBAPIError)
    return is_local or isinstance(error, DataError | IntegrityError)


def _count_final(before: ContactState | None, made: Contact) -> None:
    """Count a contact when its capture becomes final, and when a final capture changes."""
    if not made.in_progress and made.capture not in (
        CaptureState.PENDING,
        before and before.capture,
    ):
        CONTACTS_FINAL.labels(made.capture).inc()
