"""The console's process: its settings, its start without a database, and its end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from console import server
from pipeline.runtime.settings import Settings, SettingsError
from pipeline.runtime.telemetry import Health

VALUES: dict[str, Any] = {
    "console_listen": "127.0.0.1:1",
    "console_token": "a-token-for-tests-of-32-characters",
    "database_url": "sqlite:////nonexistent/x.db",
    "recordings_url": "file:///tmp",
}


class Process:
    """A console without a port. `is_ready`: the database can be used."""

    def __init__(self, patch: pytest.MonkeyPatch, *, is_ready: bool) -> None:
        self.steps: list[str] = []
        self.health = Health(starting="x")
        self.tokens: list[str] = []
        self._is_ready = is_ready
        patch.setattr(server, "serving", self._serving)
        patch.setattr(server, "ready", self._ready)
        patch.setattr(server, "make_app", self._app)
        patch.setattr(server, "watch_database", self._watch)
        patch.setattr(server, "measure_checks", self._watch)

    def _app(self, _: Any, __: Any, ___: Any, tokens: list[str]) -> None:
        self.tokens = list(tokens)

    @asynccontextmanager
    async def _serving(self, *_: Any, **more: Any) -> AsyncIterator[None]:
        assert more["error_headers"]
        self.steps.append("serves")
        yield
        self.steps.append("closes")

    async def _ready(self, *_: Any) -> bool:
        self.steps.append("waits")
        return self._is_ready

    async def _watch(self, *_: Any) -> None:
        self.steps.append("watches")


@pytest.mark.parametrize("name", VALUES)
async def test_a_missing_setting_is_named(name: str) -> None:
    """Before anything is opened."""
    with pytest.raises(SettingsError, match=f"FLEXCAPTURE_{name.upper()}"):
        await server.run(Settings(**{**VALUES, name: None}), Health(), asyncio.Event())


async def test_the_console_serves_while_it_waits_for_the_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its health is to be seen meanwhile. Several tokens may be given."""
    process = Process(monkeypatch, is_ready=True)
    both = f"{VALUES['console_token']}, another-token-of-more-than-32-characters"
    values = {**VALUES, "recordings_url": tmp_path.as_uri(), "console_token": both}
    await server.run(Settings(**values), process.health, asyncio.Event())
    assert ["serves", "waits", "watches", "watches", "closes"] == process.steps
    assert ({}, 2) == (process.health.reasons, len(process.tokens))


async def test_a_console_that_is_stopped_before_is_never_ready(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It watches no database, and closes its port."""
    process = Process(monkeypatch, is_ready=False)
    values = {**VALUES, "recordings_url": tmp_path.as_uri()}
    await server.run(Settings(**values), process.health, asyncio.Event())
    assert ["serves", "waits", "closes"] == process.steps
    assert {"starting": "x"} == process.health.reasons
