"""The filters of a search for contacts, and the cursor from page to page. No I/O."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select

from pipeline.store.models import ContactRow, LegRow, RecordingRow, SessionRow
from schemas.records import Contact, ContactRecording


class BadCursorError(ValueError):
    """The cursor is not one that a search returned."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of a search: all that are set must match. Times are ms; `until` is exclusive.
    `withheld`: only contacts with a withheld recording."""

    agent: str | None = None
    customer: str | None = None
    call_sid: str | None = None
    task_sid: str | None = None
    since: int | None = None
    until: int | None = None
    text: str | None = None
    capture: str | None = None
    reconciliation: str | None = None
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Some contacts, newest first, and the cursor of the next page; None: this is the last."""

    contacts: tuple[Contact, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class StoredRecording:
    """A recording, and the task that its audio belongs to. `contact_id` is None while that task is
    not known to be a contact."""

    recording: ContactRecording
    task_sid: str
    contact_id: str | None


@dataclass(frozen=True, slots=True)
class RecordingPage:
    """Some recordings, newest first, and the cursor of the next page; None: this is the last."""

    recordings: tuple[StoredRecording, ...]
    next: str | None


def searched_text(contact: Contact) -> str:
    """Return the text that `Filters.text` is searched in: customer, queue, SIDs and extensions, one
    per line, case-folded."""
    parts = [contact.customer, contact.queue, contact.task_sid, *contact.call_sids]
    for session in contact.sessions:
        parts += [session.extension, session.reservation_sid]
    parts += [recording.stream_sid for recording in contact.recordings]
    return "\n".join(part.casefold() for part in parts if part)


def cursor_after(started_at: int, contact_id: str) -> str:
    """Return the cursor of the page that begins after this contact."""
    return base64.urlsafe_b64encode(f"{started_at}.{contact_id}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[int, str]:
    """Return the arguments that `cursor_after` was called with. Raise `BadCursorError`."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        started_at, _, contact_id = raw.decode().partition(".")
        position = int(started_at), contact_id
    except (binascii.Error, ValueError) as error:
        raise BadCursorError("this cursor does not come from a search") from error
    if not contact_id or cursor_after(*position) != cursor or abs(position[0]) >= 2**63:
        raise BadCursorError("this cursor does not come from a search")
    return position


def unmatched_query(limit: int, cursor: str | None) -> Select[RecordingRow]:
    """Return the query for at most `limit` recordings without a contact, newest first, after
    `cursor`. Raise `BadCursorError`."""
    query = select(RecordingRow).where(RecordingRow.contact_id.is_(None))
    if cursor is not None:
        query = query.where(_after(RecordingRow.started_at, RecordingRow.recording_id, cursor))
    newest_first = RecordingRow.started_at.desc(), RecordingRow.recording_id.desc()
    return query.order_by(*newest_first).limit(limit)


def _after(started_at: Any, key: Any, cursor: str) -> ColumnElement[bool]:
    at, last = read_cursor(cursor)
    return or_(started_at < at, and_(started_at == at, key < last))


def page_query(filters: Filters, limit: int, cursor: str | None) -> Select[ContactRow]:
    """Return the query for at most `limit` contacts, newest first, after `cursor`. Raise
    `BadCursorError`."""
    query = select(ContactRow).where(*_conditions(filters))
    if cursor is not None:
        query = query.where(_after(ContactRow.started_at, ContactRow.contact_id, cursor))
    newest_first = ContactRow.started_at.desc(), ContactRow.contact_id.desc()
    return query.order_by(*newest_first).limit(limit)


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    equal = (
        (ContactRow.customer, filters.customer),
        (ContactRow.task_sid, filters.task_sid),
        (ContactRow.capture, filters.capture),
        (ContactRow.reconciled, filters.reconciliation),
    )
    found: list[ColumnElement[bool]] = [
        column == value for column, value in equal if value is not None
    ]
    if filters.agent is not None:
        of_agent = select(SessionRow.contact_id).where(
            SessionRow.extension == filters.agent.lower()
        )
        found.append(ContactRow.contact_id.in_(of_agent))
    if filters.call_sid is not None:
        of_leg = select(LegRow.contact_id).where(LegRow.call_sid == filters.call_sid)
        found.append(ContactRow.contact_id.in_(of_leg))
    if filters.withheld:
        withheld = select(RecordingRow.contact_id).where(RecordingRow.withheld_because != "")
        found.append(ContactRow.contact_id.in_(withheld))
    if filters.since is not None:
        found.append(ContactRow.started_at >= filters.since)
    if filters.until is not None:
        found.append(ContactRow.started_at < filters.until)
    if filters.text is not None:
        found.append(ContactRow.searched.contains(filters.text.casefold(), autoescape=True))
    return found
