"""Sessions and the audit table, on SQLite and on PostgreSQL."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from pipeline.store.database import migrate, open_database
from pipeline.store.sessions import ConsoleSession, SessionStore
from tests.pipeline.store.contacts import NOON

SESSION = ConsoleSession("abc", NOON, NOON, "10.0.0.1", "Browser")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A migrated database."""
    engine = open_database(database_url)
    migrate(engine)
    yield engine
    engine.dispose()


def test_a_session_is_found_until_it_ends(engine: Engine) -> None:
    """By the hash of its cookie only."""
    store = SessionStore(engine)
    store.add(SESSION, "hash")
    assert SESSION == store.find("hash")
    assert store.find("other") is None
    assert store.end("abc")
    assert not store.end("abc")
    assert store.find("hash") is None


def test_activity_moves_forward_only(engine: Engine) -> None:
    """Two consoles may write it in any order; an ended session does not come back."""
    store = SessionStore(engine)
    store.add(SESSION, "hash")
    for at in (NOON + 9, NOON + 5):
        store.touch("abc", at)
    assert [NOON + 9] == [session.active_at for session in store.valid(0, 0)]
    store.end("abc")
    store.touch("abc", NOON + 10)
    assert [] == store.valid(0, 0)


def test_sessions_beyond_either_limit_are_deleted(engine: Engine) -> None:
    """Neither listed nor kept."""
    store = SessionStore(engine)
    for number, (begun, active) in enumerate([(1, 9), (5, 5), (5, 9)]):
        store.add(ConsoleSession(str(number), begun, active, "a", "b"), f"hash {number}")
    assert ["2"] == [session.session_id for session in store.valid(1, 5)]
    store.delete_expired(1, 5)
    assert ["2"] == [session.session_id for session in store.valid(0, 0)]
