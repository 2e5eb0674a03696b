"""Sessions of people at the console, in the database that all consoles share.

All methods block: call them in a thread. They raise an `SQLAlchemyError` while the database cannot
be reached. Times are ms since the epoch.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, Engine, and_, delete, insert, select, update
from sqlalchemy.engine import RowMapping

from pipeline.store.models import ConsoleSessionRow
from pipeline.store.sanitize import storable

_TABLE = ConsoleSessionRow.__table__.c
_PUBLIC = (
    _TABLE.session_id,
    _TABLE.started_at,
    _TABLE.active_at,
    _TABLE.address,
    _TABLE.user_agent,
)


@dataclass(frozen=True, slots=True)
class ConsoleSession:
    """A session. `session_id` identifies it in lists and in the audit table, but grants nothing."""

    session_id: str
    started_at: int
    active_at: int
    address: str
    user_agent: str


class SessionStore:
    """The sessions in a migrated database of `open_database`.

    A session is stored until it is ended or deleted. The caller defines which are valid, by two
    times: those that began after the first, and were active after the second.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, session: ConsoleSession, cookie_hash: str) -> None:
        """Add a session, to be found by the hash of its cookie."""
        row = {**asdict(storable(session)), "cookie_hash": cookie_hash}
        with self._engine.begin() as connection:
            connection.execute(insert(ConsoleSessionRow), row)

    def find(self, cookie_hash: str) -> ConsoleSession | None:
        """Return the session of the cookie with this hash."""
        query = select(*_PUBLIC).where(_TABLE.cookie_hash == cookie_hash)
        with self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _session(row)

    def touch(self, session_id: str, now: int) -> None:
        """Note that a session was active at `now`, if it exists."""
        query = (
            update(ConsoleSessionRow)
            .where(_TABLE.session_id == session_id, _TABLE.active_at < now)
            .values(active_at=now)
        )
        with self._engine.begin() as connection:
            connection.execute(query)

    def end(self, session_id: str) -> bool:
        """End a session. Return whether it existed."""
        query = delete(ConsoleSessionRow).where(_TABLE.session_id == session_id)
        with self._engine.begin() as connection:
            return connection.execute(query).rowcount > 0

    def valid(self, begun_since: int, active_since: int) -> list[ConsoleSession]:
        """Return the sessions within both limits, the latest first."""
        query = (
            select(*_PUBLIC)
            .where(_valid(begun_since, active_since))
            .order_by(_TABLE.started_at.desc(), _TABLE.session_id)
        )
        with self._engine.connect() as connection:
            return _sessions(connection.execute(query).mappings())

    def delete_expired(self, begun_since: int, active_since: int) -> None:
        """Delete the sessions that are not within both limits."""
        query = delete(ConsoleSessionRow).where(~_valid(begun_since, active_since))
        with self._engine.begin() as connection:
            connection.execute(query)


def _valid(begun_since: int, active_since: int) -> ColumnElement[bool]:
    return and_(_TABLE.started_at > begun_since, _TABLE.active_at > active_since)


def _sessions(rows: Iterable[RowMapping]) -> list[ConsoleSession]:
    return [_session(row) for row in rows]


def _session(row: RowMapping) -> ConsoleSession:
    return ConsoleSession(**row)
