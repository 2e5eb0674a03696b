"""The database's tables. Times are whole milliseconds since the Unix epoch, UTC.

All tables except the console's and `check_results` are derived from the topics and can be made
again from them. `console_audit` cannot: it is append-only, by triggers of the migration, and must
be kept.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The tables, which the migrations compare with the database."""

    type_annotation_map = {int: BigInteger, str: String(255), bool: Boolean}  # noqa: RUF012


def _owner() -> Mapped[str]:
    return mapped_column(ForeignKey("contacts.contact_id"), primary_key=True)


class ContactRow(Base):
    """A contact: one row for each voice task."""

    __tablename__ = "contacts"

    contact_id: Mapped[str] = mapped_column(primary_key=True)
    task_sid: Mapped[str] = mapped_column(unique=True)
    direction: Mapped[str] = mapped_column(String(16))
    customer: Mapped[str | None]
    queue: Mapped[str | None]
    started_at: Mapped[int]
    ended_at: Mapped[int | None]
    state: Mapped[str] = mapped_column(String(16))
    outcome: Mapped[str | None] = mapped_column(String(16))
    connections: Mapped[list[dict[str, str | None]]] = mapped_column(JSON)
    streams: Mapped[list[dict[str, str | int | None]]] = mapped_column(JSON)
    in_progress: Mapped[bool]
    capture: Mapped[str] = mapped_column(String(16))
    required_ms: Mapped[int]
    captured_ms: Mapped[int]
    gaps: Mapped[list[dict[str, str | int]]] = mapped_column(JSON)
    contradictions: Mapped[list[dict[str, str | int | None]]] = mapped_column(
        JSON, server_default="[]"
    )
    reconciliation: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    reconciled: Mapped[str | None] = mapped_column(String(16))
    searched: Mapped[str] = mapped_column(Text)  # the text for a free search, case-folded
    revision: Mapped[int]
    updated_at: Mapped[int]

    __table_args__ = (
        Index("contacts_newest", "started_at", "contact_id"),
        Index("contacts_customer", "customer", "started_at"),
        Index("contacts_in_progress", "in_progress", "started_at"),
        Index("contacts_capture", "capture", "started_at"),
        Index("contacts_reconciled", "reconciled", "started_at"),
    )


class SessionRow(Base):
    """One worker's part of a contact."""

    __tablename__ = "sessions"

    contact_id: Mapped[str] = _owner()
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    reservation_sid: Mapped[str]
    extension: Mapped[str | None]
    monitored: Mapped[bool]
    started_at: Mapped[int | None]
    ended_at: Mapped[int | None]

    __table_args__ = (Index("sessions_extension", "extension", "contact_id"),)


class LegRow(Base):
    """A call leg of a contact."""

    __tablename__ = "legs"

    contact_id: Mapped[str] = _owner()
    call_sid: Mapped[str] = mapped_column(primary_key=True)

    __table_args__ = (Index("legs_call_sid", "call_sid"),)


class RecordingRow(Base):
    """A recording of one media stream. A complete one does not change (`saving.statements`)."""

    __tablename__ = "recordings"

    recording_id: Mapped[str] = mapped_column(primary_key=True)
    contact_id: Mapped[str | None] = mapped_column(ForeignKey("contacts.contact_id"))
    """NULL while the task of the audio is not known to be a contact."""
    task_sid: Mapped[str]
    inum: Mapped[str] = mapped_column(String(32))
    call_sid: Mapped[str]
    stream_sid: Mapped[str]
    extension: Mapped[str | None]
    extensions: Mapped[list[str]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(16))
    started_at: Mapped[int]
    duration_ms: Mapped[int | None]
    received: Mapped[int]
    lost: Mapped[int]
    duplicate: Mapped[int]
    invalid: Mapped[int]
    audio: Mapped[str | None] = mapped_column(Text)
    manifest: Mapped[str | None] = mapped_column(Text)
    supplement_of: Mapped[str] = mapped_column(String(32))
    source: Mapped[str] = mapped_column(String(32))
    lost_for: Mapped[dict[str, int]] = mapped_column(JSON)
    lost_at_end: Mapped[int]
    withheld: Mapped[int]
    withheld_ms: Mapped[int]
    withheld_because: Mapped[str] = mapped_column(String(32), server_default="")

    __table_args__ = (
        Index("recordings_contact", "contact_id", "started_at"),
        Index("recordings_inum", "inum"),
        Index("recordings_task", "task_sid"),
    )


class DecisionRow(Base):
    """A decision whether a contact is recorded. Rows are never removed."""

    __tablename__ = "decisions"

    contact_id: Mapped[str] = _owner()
    at: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    decision: Mapped[str] = mapped_column(String(32), primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    policy_version: Mapped[int]


class ContactStateRow(Base):
    """All records from which a contact was made, as of its last saved version: a compressed
    `ContactState`. If the consolidator has forgotten a call, a late record is added to this.

    A state may exist before its contact, so `contact_id`, the task SID, is no foreign key.
    """

    __tablename__ = "contact_states"

    contact_id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[bytes] = mapped_column(LargeBinary)


class ConsoleSessionRow(Base):
    """A session of a person at the console. Only a keyed hash of its cookie is stored."""

    __tablename__ = "console_sessions"

    session_id: Mapped[str] = mapped_column(primary_key=True)
    cookie_hash: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[int]
    active_at: Mapped[int]
    address: Mapped[str]
    user_agent: Mapped[str]

    __table_args__ = (Index("console_sessions_cookie", "cookie_hash", unique=True),)


class AuditRow(Base):
    """An action at the console. Rows are never changed or removed."""

    __tablename__ = "console_audit"

    position: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    at: Mapped[int]
    action: Mapped[str] = mapped_column(String(32))
    actor: Mapped[str]
    address: Mapped[str]
    inum: Mapped[str] = mapped_column(String(32))
    recording_id: Mapped[str]
    detail: Mapped[str]

    __table_args__ = (Index("console_audit_inum", "inum"), {"sqlite_autoincrement": True})


class CheckRow(Base):
    """The result of a check in the last run of `flexcapture twilio doctor`."""

    __tablename__ = "check_results"

    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    name: Mapped[str]
    status: Mapped[str] = mapped_column(String(16))
    detail: Mapped[str] = mapped_column(Text)
    remedy: Mapped[str] = mapped_column(Text)
    ran_at: Mapped[int]
