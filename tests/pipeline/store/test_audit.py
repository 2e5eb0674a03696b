"""The audit table."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from pipeline.store.audit import Action, AuditEntry, AuditLog
from pipeline.store.database import migrate, open_database
from pipeline.store.sessions import ConsoleSession, SessionStore
from tests.pipeline.store.contacts import NOON


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A migrated database."""
    engine = open_database(database_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    """A migrated SQLite database."""
    engine = open_database(f"sqlite:///{tmp_path}/contacts.db")
    migrate(engine)
    yield engine
    engine.dispose()


def test_texts_of_strangers_fit(engine: Engine) -> None:
    """For any length, and with a NUL in it."""
    SessionStore(engine).add(ConsoleSession("x", 1, 1, "a" * 999, "\x00" * 999), "hash")
    AuditLog(engine).append(AuditEntry(1, Action.SIGN_IN, "\x00", "a" * 999, detail="d" * 999))


def test_entries_come_newest_first(engine: Engine) -> None:
    """Page by page, in the order in which they were written, regardless of their times."""
    audit = AuditLog(engine)
    entries = [AuditEntry(at, Action.PLAYBACK, "token", "a", "1", "1-a") for at in (3, 1, 2)]
    for entry in entries:
        audit.append(entry)
    first = audit.latest(2)
    rest = audit.latest(2, first[-1].position)
    assert list(reversed(entries)) == [stored.entry for stored in (*first, *rest)]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE console_audit SET actor = 'x'", "DELETE FROM console_audit", "TRUNCATE console_audit"],
)
def test_entries_are_neither_changed_nor_deleted(engine: Engine, statement: str) -> None:
    """The database itself refuses, and the entry stays."""
    audit = AuditLog(engine)
    entry = AuditEntry(NOON, Action.DOWNLOAD, "token", "10.0.0.1", "1", "1-a")
    audit.append(entry)
    with pytest.raises(SQLAlchemyError), engine.begin() as connection:
        connection.execute(text(statement))
    assert [entry] == [stored.entry for stored in audit.latest(9)]


_VALUES = "(position, at, action, actor, address, inum, recording_id, detail)"
_FALSE = "1, 'download', 'nobody', '', '', '', ''"
_UPSERT = f"INSERT INTO console_audit {_VALUES} VALUES (1, {_FALSE}) ON CONFLICT (position) DO "


@pytest.mark.parametrize(
    "statement",
    [
        f"INSERT OR REPLACE INTO console_audit {_VALUES} VALUES (1, {_FALSE})",
        f"REPLACE INTO console_audit {_VALUES} VALUES (1, {_FALSE})",
        f"REPLACE INTO console_audit {_VALUES.replace('position', 'rowid')} VALUES (1, {_FALSE})",
        f"REPLACE INTO console_audit {_VALUES} SELECT position, {_FALSE} FROM console_audit",
        f"{_UPSERT} UPDATE SET actor = 'nobody'",
        "UPDATE OR REPLACE console_audit SET position = 1 WHERE position = 2",
        "WITH gone AS (DELETE FROM console_audit RETURNING *) SELECT * FROM gone",
    ],
)
def test_entries_are_not_replaced(engine: Engine, statement: str) -> None:
    """By no statement that ends in place of another row, in the dialect of either database."""
    audit = AuditLog(engine)
    entries = [AuditEntry(NOON, Action.DOWNLOAD, actor, "10.0.0.1") for actor in ("first", "last")]
    for entry in entries:
        audit.append(entry)
    with pytest.raises(SQLAlchemyError), engine.begin() as connection:
        connection.execute(text(statement))
    assert entries[::-1] == [stored.entry for stored in audit.latest(9)]


@pytest.mark.parametrize("position", [-1, 0])
def test_a_position_that_stands_for_none_is_refused(sqlite_engine: Engine, position: int) -> None:
    """On SQLite such an entry could be replaced, or would block all later ones."""
    audit = AuditLog(sqlite_engine)
    with pytest.raises(SQLAlchemyError), sqlite_engine.begin() as connection:
        connection.execute(
            text(f"INSERT INTO console_audit {_VALUES} VALUES ({position}, {_FALSE})")
        )
    audit.append(AuditEntry(NOON, Action.DOWNLOAD, "token", "10.0.0.1"))
    assert 1 == len(audit.latest(9))
