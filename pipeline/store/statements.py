"""The statements that write a contact, made once, and their rows. No I/O."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Delete,
    Insert,
    Update,
    bindparam,
    case,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.store.models import (
    Base,
    ContactRow,
    ContactStateRow,
    DecisionRow,
    LegRow,
    RecordingRow,
    SessionRow,
)
from pipeline.store.search import searched_text
from schemas.records import Contact, ContactRecording, Reconciliation
from schemas.states import RecordingState

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Statements:
    """Each is executed with rows of its table; the deletions and `attach` with `owner`, the task
    SID.

    `contact` returns a row only if the new version is not older than the stored one.
    `recording` never changes a complete recording, except for fields that are derived from the
    call: the contact of a recording that had none, and the monitored agents on it. It never touches
    a recording of another task.
    `no_legacy` deletes open recordings that an earlier version began under another key.
    """

    contact: Insert
    no_sessions: Delete
    no_legs: Delete
    session: Insert
    leg: Insert
    no_legacy: Delete
    recording: Insert
    attach: Update
    decision: Insert
    state: Insert


@lru_cache
def statements(dialect: str) -> Statements:
    """Return the statements for "sqlite" or "postgresql"."""
    insert: Any = (sqlite if dialect == "sqlite" else postgresql).insert
    contact = insert(ContactRow)
    return Statements(
        contact=_upsert(
            contact, ContactRow, where=ContactRow.revision <= contact.excluded.revision
        ).returning(ContactRow.contact_id),
        no_sessions=delete(SessionRow).where(SessionRow.contact_id == bindparam("owner")),
        no_legs=delete(LegRow).where(LegRow.contact_id == bindparam("owner")),
        session=insert(SessionRow),
        leg=insert(LegRow),
        no_legacy=_delete_legacy(),
        recording=_upsert_recording(insert(RecordingRow)),
        attach=_attach(),
        decision=_upsert(insert(DecisionRow), DecisionRow),
        state=_upsert(insert(ContactStateRow), ContactStateRow),
    )


def _upsert(statement: Any, table: type[Base], where: ColumnElement[bool] | None = None) -> Insert:
    columns = table.__table__.columns
    upsert: Insert = statement.on_conflict_do_update(
        index_elements=list(table.__table__.primary_key),
        set_={column.name: statement.excluded[column.name] for column in columns},
        where=where,
    )
    return upsert


_FIXED = frozenset({"recording_id", "task_sid"})
_DERIVED = frozenset({"extension", "extensions", "withheld_because"})
"""These fields depend on the call, and its events can come after the recording; so can Twilio's
answer that the leg belongs to another call."""


def _upsert_recording(statement: Any) -> Insert:
    new = statement.excluded
    is_complete = RecordingRow.state == RecordingState.COMPLETE
    columns = {column.name: column for column in RecordingRow.__table__.columns}
    changes: dict[str, Any] = {
        name: case((is_complete, column), else_=new[name])
        for name, column in columns.items()
        if name not in _FIXED | _DERIVED
    }
    changes |= {name: new[name] for name in _DERIVED}
    changes["contact_id"] = func.coalesce(RecordingRow.contact_id, new.contact_id)
    upsert: Insert = statement.on_conflict_do_update(
        index_elements=[RecordingRow.recording_id],
        set_=changes,
        where=RecordingRow.task_sid == new.task_sid,
    )
    return upsert


def _delete_legacy() -> Delete:
    return delete(RecordingRow).where(
        RecordingRow.task_sid == bindparam("owner"),
        RecordingRow.recording_id == bindparam("legacy"),
        RecordingRow.state != RecordingState.COMPLETE,
    )


def _attach() -> Update:
    """Return the statement that attaches a task's recordings to its contact, if there is one."""
    contact = ContactRow.task_sid == bindparam("owner")
    return (
        update(RecordingRow)
        .where(RecordingRow.task_sid == bindparam("owner"), RecordingRow.contact_id.is_(None))
        .where(select(ContactRow.contact_id).where(contact).exists())
        .values(
            contact_id=select(ContactRow.contact_id).where(contact).scalar_subquery(),
        )
    )


def contact_row(contact: Contact) -> Row:
    """Return the contact's own row."""
    row = {c.name: getattr(contact, c.name, None) for c in ContactRow.__table__.columns}
    return row | {
        "connections": [plain(connection) for connection in contact.connections],
        "streams": [plain(media_stream) for media_stream in contact.streams],
        "gaps": [plain(gap) for gap in contact.gaps],
        "contradictions": [plain(each) for each in contact.contradictions],
        "reconciliation": contact.reconciliation and _reconciliation(contact.reconciliation),
        "reconciled": contact.reconciliation and contact.reconciliation.result,
        "searched": searched_text(contact),
    }


def _reconciliation(found: Reconciliation) -> Row:
    """Return a reconciliation with its parts as plain values, for JSON."""
    return plain(found) | {
        "reservations": [plain(part) for part in found.reservations],
        "conferences": [plain(part) for part in found.conferences],
    }


def session_rows(contact: Contact) -> list[Row]:
    """Return the rows of the contact's sessions."""
    return [
        {"contact_id": contact.contact_id, "position": position, **plain(session)}
        for position, session in enumerate(contact.sessions)
    ]


def recording_id(recording: ContactRecording) -> str:
    """Return a recording's key, also of one that an earlier version reported without a key."""
    return recording.recording_id or _legacy_id(recording)


def _legacy_id(recording: ContactRecording) -> str:
    """Return the INUM and 16 hexadecimal digits of the SHA-256 of the stream SID."""
    digest = hashlib.sha256(recording.stream_sid.encode()).hexdigest()
    return f"{recording.inum}-{digest[:16]}"


def recording_rows(
    task_sid: str, contact_id: str | None, recordings: Iterable[ContactRecording]
) -> list[Row]:
    """Return the rows of a task's recordings; `contact_id` is None for unmatched ones."""
    return [
        plain(recording)
        | {
            "recording_id": recording_id(recording),
            "lost_for": dict(recording.lost_for),
            "task_sid": task_sid,
            "contact_id": contact_id,
        }
        for recording in recordings
    ]


def legacy_rows(task_sid: str, recordings: Iterable[ContactRecording]) -> list[Row]:
    """Return the parameters of `Statements.no_legacy`."""
    return [{"owner": task_sid, "legacy": _legacy_id(r)} for r in recordings if r.recording_id]


def plain(record: Any) -> Row:
    """Return a flat record's fields, with tuples as lists."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}
