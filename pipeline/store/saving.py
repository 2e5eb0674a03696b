"""How a contact is written: the statements, made once, and their rows. No I/O."""

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Delete, Insert, bindparam, delete, or_
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
from schemas.records import Contact

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Statements:
    """Each is executed with rows of its table; the deletions with `owner`, the contact's id.

    `contact` gives a row back only where the version was not older than the one that was there.
    """

    contact: Insert
    no_sessions: Delete
    no_legs: Delete
    session: Insert
    leg: Insert
    recording: Insert
    decision: Insert
    state: Insert


@lru_cache
def statements(dialect: str) -> Statements:
    """The statements for "sqlite" or "postgresql"."""
    insert: Any = (sqlite if dialect == "sqlite" else postgresql).insert
    contact = insert(ContactRow)
    recording = insert(RecordingRow)
    # What is complete does not become incomplete again.
    not_back = or_(RecordingRow.state != "complete", recording.excluded.state == "complete")
    return Statements(
        contact=_upsert(
            contact, ContactRow, where=ContactRow.revision <= contact.excluded.revision
        ).returning(ContactRow.contact_id),
        no_sessions=delete(SessionRow).where(SessionRow.contact_id == bindparam("owner")),
        no_legs=delete(LegRow).where(LegRow.contact_id == bindparam("owner")),
        session=insert(SessionRow),
        leg=insert(LegRow),
        recording=_upsert(recording, RecordingRow, where=not_back),
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


def contact_row(contact: Contact) -> Row:
    """The contact's own row."""
    row = {c.name: getattr(contact, c.name, None) for c in ContactRow.__table__.columns}
    return row | {
        "connections": [plain(connection) for connection in contact.connections],
        "streams": [plain(media_stream) for media_stream in contact.streams],
        "searched": searched_text(contact),
    }


def session_rows(contact: Contact) -> list[Row]:
    """The rows of its sessions."""
    return [
        {"contact_id": contact.contact_id, "position": position, **plain(session)}
        for position, session in enumerate(contact.sessions)
    ]


def plain(record: Any) -> Row:
    """A flat record's fields, tuples as lists."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}
