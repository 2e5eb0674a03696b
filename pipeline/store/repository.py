"""Contacts in the database: saved whole, version by version; found again by the console.

All methods block: call them in a thread. They raise SQLAlchemy's `OperationalError` (or another
`SQLAlchemyError`) while the database cannot be reached.
"""

import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session as DatabaseSession

from pipeline.store.models import (
    ContactRow,
    ContactStateRow,
    DecisionRow,
    LegRow,
    RecordingRow,
    SessionRow,
)
from pipeline.store.saving import contact_row, plain, session_rows, statements
from pipeline.store.search import Filters, Page, cursor_after, page_query
from pipeline.store.storable import storable
from schemas.records import (
    Contact,
    ContactConnection,
    ContactDecision,
    ContactRecording,
    ContactStream,
    Session,
)


class Repository:
    """The contacts behind an engine of `open_database`, migrated."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._statements = statements(engine.dialect.name)

    def ping(self) -> None:
        """Returns if the database answers; raises otherwise."""
        with self._engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def save(self, contact: Contact, state: bytes | None = None) -> bool:
        """Makes this version the one that is found; False, and nothing changed, where a later one
        is there already. Saving a version again changes nothing. Recordings and decisions are
        only ever added: a version that knows fewer of them takes none away. `state`: what the
        version was made from, kept for `state_of`."""
        contact = storable(contact)
        sql = self._statements
        owner = {"contact_id": contact.contact_id}
        with self._engine.begin() as connection:
            # The guarded row comes first: it takes the lock that keeps other versions out.
            if connection.execute(sql.contact, contact_row(contact)).first() is None:
                return False
            connection.execute(sql.no_sessions, {"owner": contact.contact_id})
            connection.execute(sql.no_legs, {"owner": contact.contact_id})
            for statement, rows in (
                (sql.session, session_rows(contact)),
                (sql.leg, [{**owner, "call_sid": sid} for sid in dict.fromkeys(contact.call_sids)]),
                (sql.recording, [{**owner, **plain(r)} for r in contact.recordings]),
                (sql.decision, [{**owner, **plain(d)} for d in contact.decisions]),
                (sql.state, [{**owner, "state": zlib.compress(state, 1)}] if state else []),
            ):
                if rows:
                    connection.execute(statement, rows)
            return True

    def save_unmatched(
        self, task_sid: str, recordings: Sequence[ContactRecording], state: bytes
    ) -> None:
        """Stand-in: keeps nothing."""

    def count_unmatched(self) -> int:
        """Stand-in: there are none."""
        return 0

    def contact(self, contact_id: str) -> Contact | None:
        """The contact, or None."""
        with DatabaseSession(self._engine) as session:
            row = session.get(ContactRow, contact_id)
            return None if row is None else _contacts(session, [row])[0]

    def state_of(self, contact_id: str) -> bytes | None:
        """What the contact's version here was made from, or None."""
        query = select(ContactStateRow.state).where(ContactStateRow.contact_id == contact_id)
        with self._engine.connect() as connection:
            found = connection.execute(query).scalar_one_or_none()
        return None if found is None else zlib.decompress(found)

    def recording(self, inum: str) -> ContactRecording | None:
        """The recording, or None."""
        query = (
            select(RecordingRow).where(RecordingRow.inum == inum).order_by(RecordingRow.stream_sid)
        )
        with DatabaseSession(self._engine) as session:
            row = session.scalars(query.limit(1)).first()
            return None if row is None else _recording(row)

    def search(self, filters: Filters, limit: int, cursor: str | None = None) -> Page:
        """A page of the contacts that `filters` let through. Raises `BadCursorError`."""
        query = page_query(filters, limit + 1, cursor)
        with DatabaseSession(self._engine) as session:
            rows = session.scalars(query).all()
            found = _contacts(session, rows[:limit])
        last = found[-1] if len(rows) > limit else None
        return Page(found, None if last is None else cursor_after(last.started_at, last.contact_id))

    def calls_in_progress(self) -> tuple[Contact, ...]:
        """The contacts whose calls are going on, the longest first."""
        query = (
            select(ContactRow)
            .where(ContactRow.in_progress.is_(True))
            .order_by(ContactRow.started_at, ContactRow.contact_id)
        )
        with DatabaseSession(self._engine) as session:
            return _contacts(session, session.scalars(query).all())


def _contacts(session: DatabaseSession, rows: Sequence[ContactRow]) -> tuple[Contact, ...]:
    ids = [row.contact_id for row in rows]
    sessions = _by_contact(
        session.scalars(
            select(SessionRow).where(SessionRow.contact_id.in_(ids)).order_by(SessionRow.position)
        )
    )
    legs = _by_contact(
        session.scalars(select(LegRow).where(LegRow.contact_id.in_(ids)).order_by(LegRow.call_sid))
    )
    recordings = _by_contact(
        session.scalars(
            select(RecordingRow)
            .where(RecordingRow.contact_id.in_(ids))
            .order_by(RecordingRow.started_at, RecordingRow.inum)
        )
    )
    decisions = _by_contact(
        session.scalars(
            select(DecisionRow)
            .where(DecisionRow.contact_id.in_(ids))
            .order_by(DecisionRow.at, DecisionRow.decision)
        )
    )
    return tuple(
        _contact(
            row,
            sessions.get(row.contact_id, []),
            legs.get(row.contact_id, []),
            recordings.get(row.contact_id, []),
            decisions.get(row.contact_id, []),
        )
        for row in rows
    )


def _by_contact(rows: Iterable[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row.contact_id, []).append(row)
    return found


def _contact(
    row: ContactRow,
    sessions: list[SessionRow],
    legs: list[LegRow],
    recordings: list[RecordingRow],
    decisions: list[DecisionRow],
) -> Contact:
    recorded = tuple(_recording(recording) for recording in recordings)
    decided = tuple(
        ContactDecision(d.at, d.decision, d.reason, d.policy_version) for d in decisions
    )
    return Contact(
        contact_id=row.contact_id,
        task_sid=row.task_sid,
        direction=row.direction,
        customer=row.customer,
        queue=row.queue,
        started_at=row.started_at,
        ended_at=row.ended_at,
        state=row.state,
        outcome=row.outcome,
        sessions=tuple(
            Session(s.reservation_sid, s.extension, s.monitored, s.started_at, s.ended_at)
            for s in sessions
        ),
        recordings=recorded,
        decisions=decided,
        connections=tuple(ContactConnection(**plain) for plain in row.connections),  # type: ignore[arg-type]
        streams=tuple(ContactStream(**plain) for plain in row.streams),  # type: ignore[arg-type]
        call_sids=tuple(leg.call_sid for leg in legs),
        in_progress=row.in_progress,
        revision=row.revision,
        updated_at=row.updated_at,
    )


def _recording(row: RecordingRow) -> ContactRecording:
    return ContactRecording(
        inum=row.inum,
        call_sid=row.call_sid,
        stream_sid=row.stream_sid,
        extension=row.extension,
        extensions=tuple(row.extensions),
        state=row.state,
        started_at=row.started_at,
        duration_ms=row.duration_ms,
        received=row.received,
        lost=row.lost,
        duplicate=row.duplicate,
        invalid=row.invalid,
        audio=row.audio,
        manifest=row.manifest,
    )
