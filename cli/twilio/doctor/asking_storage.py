"""Probes of the database and the recordings store, and the monitored list's file. I/O. Each probe
is written, read and deleted."""

import asyncio
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from cli.twilio.doctor.facts import ListFacts
from pipeline.policy.monitored_list import parse_list
from pipeline.runtime.settings import Settings, SettingsError
from pipeline.store.audio import AudioStore, StoreError
from pipeline.store.database import open_database

_PROBE = b"a probe of flexcapture twilio doctor"
_NAME = "flexcapture_doctor_"


async def database_probe(settings: Settings) -> str:
    """Return the database's kind, once a probe was written, read and deleted. Raise
    `SettingsError`, `LookupError` and SQLAlchemy's errors."""
    if settings.database_url is None:
        raise SettingsError("FLEXCAPTURE_DATABASE_URL is not set, and no `up` runs here")
    return await asyncio.to_thread(_probe_database, settings.database_url)


def _probe_database(url: str) -> str:
    engine = open_database(url)
    try:
        check_file(engine, url)
        table = _NAME + os.urandom(6).hex()
        with engine.begin() as connection:  # nothing of it is visible to others
            connection.execute(text(f"CREATE TABLE {table} (probe VARCHAR(64))"))
            values = {"probe": _PROBE.decode()}
            connection.execute(text(f"INSERT INTO {table} VALUES (:probe)"), values)  # noqa: S608
            found = connection.execute(text(f"SELECT probe FROM {table}")).scalar_one()  # noqa: S608
            connection.execute(text(f"DROP TABLE {table}"))
        if found != _PROBE.decode():
            raise LookupError("the database gave back something else than was written")
        return engine.dialect.name
    finally:
        engine.dispose()


def check_file(engine: Engine, url: str) -> None:
    """Raise `LookupError` if the file of SQLite does not exist: a connection would create it."""
    if engine.dialect.name != "sqlite":
        return
    try:
        path = Path(str(make_url(url).database))
    except ArgumentError:
        return
    if not path.exists():
        raise LookupError(f"{path} does not exist: the consolidator creates it when it starts")


async def store_probe(settings: Settings) -> str:
    """Return the store's kind, once a probe was written, read and deleted. Raise `SettingsError`,
    `LookupError` and `StoreError`."""
    url = settings.recordings_url
    if url is None:
        raise SettingsError("FLEXCAPTURE_RECORDINGS_URL is not set, and no `up` runs here")
    store = await asyncio.to_thread(_open_store, url)
    key = f".flexcapture-doctor-{os.urandom(8).hex()}"
    try:
        await store.put(key, _PROBE)
        if await store.get(key) != _PROBE:
            raise StoreError("the store gave back something else than was written")
    finally:
        await store.delete([key])
    return urlsplit(url).scheme


def _open_store(url: str) -> AudioStore:
    """Open the store without the creation of its directory."""
    parts = urlsplit(url)
    path = Path(unquote(parts.path))
    if parts.scheme == "file" and not path.is_dir():
        raise LookupError(f"{path} is not a directory: is the volume mounted?")
    return AudioStore.from_url(url)


async def list_facts(settings: Settings) -> ListFacts:
    """Return the monitored list as it is in its file now."""
    path = settings.monitored_agents
    if path is None:
        return ListFacts()
    try:
        read = parse_list((await asyncio.to_thread(path.read_bytes)).decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        return ListFacts(str(path), why=f"{path} cannot be read: {error}")
    return ListFacts(str(path), read.entries, tuple(str(line) for line in read.bad))
