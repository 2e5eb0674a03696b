"""The append-only record of sign-ins, and of audio that was played or downloaded.

All methods block: call them in a thread. They raise an `SQLAlchemyError` while the database cannot
be reached.
"""

from dataclasses import asdict, dataclass
from enum import StrEnum

from sqlalchemy import Engine, insert, select

from pipeline.store.models import AuditRow
from pipeline.store.sanitize import storable


class Action(StrEnum):
    """An action that is recorded."""

    SIGN_IN = "sign-in"
    SIGN_OUT = "sign-out"
    FAILED_SIGN_IN = "failed-sign-in"
    END_SESSION = "end-session"
    PLAYBACK = "playback"
    DOWNLOAD = "download"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An action: its time (ms), its actor (`token`, `session ID`, or empty if not signed in), the
    client's address, and the recording. Texts that do not apply are empty."""

    at: int
    action: Action
    actor: str
    address: str
    inum: str = ""
    recording_id: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry with its position. Positions grow, with gaps."""

    position: int
    entry: AuditEntry


class AuditLog:
    """The audit table in a migrated database of `open_database`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def append(self, entry: AuditEntry) -> None:
        """Write an entry. Once this returns, it is durable."""
        with self._engine.begin() as connection:
            connection.execute(insert(AuditRow), asdict(storable(entry)))

    def latest(self, limit: int, before: int | None = None) -> list[StoredEntry]:
        """Return at most `limit` entries before a position, newest first."""
        columns = AuditRow.__table__.c
        query = select(*columns).order_by(columns.position.desc()).limit(limit)
        if before is not None:
            query = query.where(columns.position < before)
        with self._engine.connect() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        return [
            StoredEntry(row.pop("position"), AuditEntry(**{**row, "action": Action(row["action"])}))
            for row in rows
        ]
