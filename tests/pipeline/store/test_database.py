"""The database: its URL, its migrations."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from sqlalchemy import text

from pipeline.runtime.settings import SettingsError
from pipeline.store.database import migrate, open_database


def _migrate(url: str) -> None:
    migrate(open_database(url))


def test_processes_may_migrate_at_once(database_url: str) -> None:
    """Four processes that start together on an empty database all find it migrated."""
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        list(pool.map(_migrate, [database_url] * 4))
    engine = open_database(database_url)
    with engine.connect() as connection:
        assert ["0008"] == list(connection.scalars(text("SELECT version_num FROM alembic_version")))
    engine.dispose()


def test_sqlite_is_in_wal_mode(tmp_path: object) -> None:
    """Readers do not wait for the writer."""
    engine = open_database(f"sqlite:///{tmp_path}/contacts.db")
    migrate(engine)
    with engine.connect() as connection:
        assert "wal" == connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    engine.dispose()


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://u:secret@h/d", "sqlite://", "sqlite:///:memory:"]
)
def test_a_wrong_url_is_refused_by_its_setting(url: str) -> None:
    """The error names the variable, says what would be right, and repeats no password."""
    with pytest.raises(SettingsError, match=r"FLEXCAPTURE_DATABASE_URL.*sqlite:") as refused:
        open_database(url)
    assert "secret" not in str(refused.value)
