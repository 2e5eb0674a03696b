"""Open the database, and migrate its tables to this version.

SQLite is put in WAL mode, so that the console reads while the consolidator writes. PostgreSQL is
reached through psycopg. Several processes may start at once on an empty database: one migrates, the
others wait for it.
"""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from stamina import retry

from pipeline.runtime.settings import SettingsError

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS = 10_000
CONNECT_TIMEOUT_S = 5
_POSTGRES = frozenset({"postgres", "postgresql", "postgresql+psycopg"})
_MIGRATION_LOCK = 0x4643_6D69  # any number, the same in every process


def open_database(url: str) -> Engine:
    """Return an engine for `url`, not connected yet. Raise `SettingsError` if `url` is not valid,
    or names a database other than SQLite and PostgreSQL."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise _refused("it cannot be read") from error
    if parsed.drivername in _POSTGRES:
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            connect_args={"connect_timeout": CONNECT_TIMEOUT_S},
        )
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if parsed.database in (None, "", ":memory:"):
            raise _refused("processes share the database, so SQLite needs a file")
        engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    raise _refused(f"{parsed.drivername} is not supported")


def _refused(why: str) -> SettingsError:
    # The URL may contain a password, so the message does not repeat it.
    return SettingsError(
        f"FLEXCAPTURE_DATABASE_URL: {why}; it must be sqlite:////path/to/file or "
        "postgresql://user:password@host/database"
    )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")  # a saved contact survives a power cut
    cursor.close()


@retry(on=OperationalError, attempts=10, timeout=30, wait_initial=0.05, wait_max=1.0)
def migrate(engine: Engine) -> None:
    """Migrate the database to this version's tables. Any number of processes may call this at once.
    Raise `OperationalError` if the database cannot be reached for 30 s."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            connection.rollback()
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        _upgrade(connection)
        connection.commit()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
