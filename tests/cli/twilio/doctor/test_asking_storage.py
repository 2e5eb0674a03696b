"""How doctor fetches the facts of database, store and list; and that it changes nothing."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, inspect

from cli.twilio.doctor.asking import fetched
from cli.twilio.doctor.asking_storage import database_probe, list_facts, store_probe
from cli.twilio.doctor.results import CheckTrouble
from pipeline.runtime.settings import Settings
from pipeline.store.audio import AudioStore, StoreError
from pipeline.store.database import migrate, open_database


def _names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


async def test_probe_of_the_database(tmp_path: Path) -> None:
    """The probe leaves nothing behind; a missing file is not created; a wrong one is a failure."""
    url = f"sqlite:///{tmp_path}/flexcapture.db"
    settings = Settings(database_url=url)
    absent = await fetched(database_probe(settings))
    assert isinstance(absent, CheckTrouble)
    assert "does not exist" in absent.why
    assert set() == _names(tmp_path)
    engine = open_database(url)
    migrate(engine)
    before = inspect(engine).get_table_names()
    assert "sqlite" == await fetched(database_probe(settings))
    assert before == inspect(engine).get_table_names()
    engine.dispose()
    (tmp_path / "text.db").write_text("no database at all, but some text that is long enough")
    wrong = await fetched(database_probe(Settings(database_url=f"sqlite:///{tmp_path}/text.db")))
    assert isinstance(wrong, CheckTrouble)


async def test_an_unreachable_database_is_named_without_its_password() -> None:
    """The text is of one line."""
    url = "postgresql://user:hunter22@127.0.0.1:1/none"
    found = await fetched(database_probe(Settings(database_url=url)))
    assert isinstance(found, CheckTrouble)
    assert "hunter22" not in found.why
    assert "\n" not in found.why


async def test_a_database_that_cannot_be_written(tmp_path: Path) -> None:
    """It can be read, and that is not enough."""
    url = f"sqlite:///{tmp_path}/flexcapture.db"
    engine = open_database(url)
    migrate(engine)
    engine.dispose()

    def only_read(connection: Any, _: object) -> None:
        connection.execute("PRAGMA query_only = ON")

    event.listen(Engine, "connect", only_read)
    try:
        found = await fetched(database_probe(Settings(database_url=url)))
    finally:
        event.remove(Engine, "connect", only_read)
    assert isinstance(found, CheckTrouble)
    assert "readonly" in found.why


@pytest.mark.parametrize("method", ["put", "get", "delete"])
async def test_a_store_that_lacks_a_right(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To write, to read, or to delete: each is needed."""

    async def denied(*_: object) -> None:
        raise StoreError(f"AccessDenied: {method}")

    monkeypatch.setattr(AudioStore, method, denied)
    found = await fetched(store_probe(Settings(recordings_url=tmp_path.as_uri())))
    assert isinstance(found, CheckTrouble)
    assert f"AccessDenied: {method}" in found.why


async def test_a_store_that_gives_back_other_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a broken mount may."""

    async def other(*_: object) -> bytes:
        return b""

    monkeypatch.setattr(AudioStore, "get", other)
    found = await fetched(store_probe(Settings(recordings_url=tmp_path.as_uri())))
    assert isinstance(found, CheckTrouble)
    assert "something else" in found.why


async def test_probe_of_the_store(tmp_path: Path) -> None:
    """The probe leaves nothing behind; a missing directory is not created."""
    settings = Settings(recordings_url=tmp_path.as_uri())
    assert "file" == await fetched(store_probe(settings))
    assert {".partial"} == _names(tmp_path)  # the store's own
    absent = Settings(recordings_url=(tmp_path / "absent").as_uri())
    found = await fetched(store_probe(absent))
    assert isinstance(found, CheckTrouble)
    assert "mounted" in found.why
    assert {".partial"} == _names(tmp_path)  # the store's own


async def test_the_list_is_read_as_it_is(tmp_path: Path) -> None:
    """Entries in normal form, and wrong lines; a missing file has a reason."""
    path = tmp_path / "list"
    path.write_text("ANN@example.com\nnonsense here\n")
    found = await list_facts(Settings(monitored_agents=path))
    assert (("ann@example.com",), 1) == (found.entries, len(found.bad))
    absent = await list_facts(Settings(monitored_agents=tmp_path / "absent"))
    assert "cannot be read" in absent.why
