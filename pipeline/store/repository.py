"""The database of contacts: the consolidator saves versions, the console searches them.

All methods block: call them in a thread. They raise SQLAlchemy's `OperationalError` (or another
`SQLAlchemyError`) while the database cannot be reached.
"""

import zlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, Executable, func, or_, select, text
from sqlalchemy.orm import Session as DatabaseSession

from pipeline.store.models import ContactRow, ContactStateRow, RecordingRow
from pipeline.store.reading import contacts_of, stored_recording
from pipeline.store.sanitize import storable
from pipeline.store.search import (
    Filters,
    Page,
    RecordingPage,
    StoredRecording,
    cursor_after,
    page_query,
    unmatched_query,
)
from pipeline.store.statements import (
    contact_row,
    legacy_rows,
    plain,
    recording_rows,
    session_rows,
    statements,
)
from schemas.records import Contact, ContactRecording


class Repository:
    """The contacts in a migrated database of `open_database`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._statements = statements(engine.dialect.name)

    def ping(self) -> None:
        """Return if the database answers; raise otherwise."""
        with self._engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def save(self, contact: Contact, state: bytes | None = None) -> bool:
        """Save a version of a contact with the state it was made from, which `state_of` returns.

        Return False, and change nothing, if a later version is stored. Saving a version again
        changes nothing. Recordings and decisions are only added: a version with fewer of them
        removes none. A complete recording never changes, and a recording of another contact is not
        touched. Unmatched recordings of the same task are attached to the contact.
        """
        contact = storable(contact)
        sql = self._statements
        owner = {"contact_id": contact.contact_id}
        with self._engine.begin() as connection:
            # The guarded row comes first: its lock blocks other versions.
            if connection.execute(sql.contact, contact_row(contact)).first() is None:
                return False
            connection.execute(sql.no_sessions, {"owner": contact.contact_id})
            connection.execute(sql.no_legs, {"owner": contact.contact_id})
            connection.execute(sql.attach, {"owner": contact.task_sid})
            for statement, rows in (
                (sql.session, session_rows(contact)),
                (sql.leg, [{**owner, "call_sid": sid} for sid in dict.fromkeys(contact.call_sids)]),
                *self._recording_work(contact.task_sid, contact.contact_id, contact.recordings),
                (sql.decision, [{**owner, **plain(d)} for d in contact.decisions]),
                (sql.state, [{**owner, "state": zlib.compress(state, 1)}] if state else []),
            ):
                if rows:
                    connection.execute(statement, rows)
            return True

    def save_unmatched(
        self, task_sid: str, recordings: Sequence[ContactRecording], state: bytes
    ) -> None:
        """Save recordings of a task that is not known to be a contact, with their state.

        If it has a contact after all, they are attached at once, and its state stays. The rules of
        `save` for recordings apply. Saving them again changes nothing.
        """
        recordings = [storable(recording) for recording in recordings]
        sql = self._statements
        task_sid = storable(task_sid)
        has_contact = select(ContactRow.contact_id).where(ContactRow.task_sid == task_sid)
        with self._engine.begin() as connection:
            for statement, rows in self._recording_work(task_sid, None, recordings):
                if rows:
                    connection.execute(statement, rows)
            connection.execute(sql.attach, {"owner": task_sid})
            if connection.execute(has_contact).first() is None:
                row = {"contact_id": task_sid, "state": zlib.compress(state, 1)}
                connection.execute(sql.state, row)

    def _recording_work(
        self, task_sid: str, contact_id: str | None, recordings: Sequence[ContactRecording]
    ) -> tuple[tuple[Executable, list[dict[str, Any]]], ...]:
        sql = self._statements
        return (
            (sql.no_legacy, legacy_rows(task_sid, recordings)),
            (sql.recording, recording_rows(task_sid, contact_id, recordings)),
        )

    def contact(self, contact_id: str) -> Contact | None:
        """Return the contact, or None."""
        with DatabaseSession(self._engine) as session:
            row = session.get(ContactRow, contact_id)
            return None if row is None else contacts_of(session, [row])[0]

    def state_of(self, task_sid: str) -> bytes | None:
        """Return the state from which the contact, or the unmatched recordings, of a task were made
        when they were saved last; None if nothing was saved."""
        query = select(ContactStateRow.state).where(ContactStateRow.contact_id == task_sid)
        with self._engine.connect() as connection:
            found = connection.execute(query).scalar_one_or_none()
        return None if found is None else zlib.decompress(found)

    def recordings_of_inum(self, inum_or_id: str) -> list[StoredRecording]:
        """Return the recordings with this INUM (several in rare cases), or the one with this
        recording id; an empty list if there is none."""
        query = (
            select(RecordingRow)
            .where(or_(RecordingRow.inum == inum_or_id, RecordingRow.recording_id == inum_or_id))
            .order_by(RecordingRow.started_at, RecordingRow.recording_id)
        )
        with DatabaseSession(self._engine) as session:
            return [stored_recording(row) for row in session.scalars(query)]

    def unmatched(self, limit: int, cursor: str | None = None) -> RecordingPage:
        """Return a page of the recordings without a contact. Raise `BadCursorError`."""
        with DatabaseSession(self._engine) as session:
            rows = session.scalars(unmatched_query(limit + 1, cursor)).all()
        last = rows[limit - 1] if len(rows) > limit else None
        return RecordingPage(
            tuple(stored_recording(row) for row in rows[:limit]),
            None if last is None else cursor_after(last.started_at, last.recording_id),
        )

    def count_unmatched(self) -> int:
        """Return how many recordings have no contact."""
        query = select(func.count()).where(RecordingRow.contact_id.is_(None))
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def search(self, filters: Filters, limit: int, cursor: str | None = None) -> Page:
        """Return a page of the contacts that match `filters`. Raise `BadCursorError`."""
        query = page_query(filters, limit + 1, cursor)
        with DatabaseSession(self._engine) as session:
            rows = session.scalars(query).all()
            found = contacts_of(session, rows[:limit])
        last = found[-1] if len(rows) > limit else None
        return Page(found, None if last is None else cursor_after(last.started_at, last.contact_id))

    def calls_in_progress(self) -> tuple[Contact, ...]:
        """Return the contacts with a call in progress, the longest first."""
        query = (
            select(ContactRow)
            .where(ContactRow.in_progress.is_(True))
            .order_by(ContactRow.started_at, ContactRow.contact_id)
        )
        with DatabaseSession(self._engine) as session:
            return contacts_of(session, session.scalars(query).all())
