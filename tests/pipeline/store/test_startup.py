"""A role waits for its database and its recordings store, and says so."""

import asyncio
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from pipeline.runtime.telemetry import Health
from pipeline.store import startup
from pipeline.store.audio import AudioStore, StoreError
from pipeline.store.startup import RETRY_S, opened_store, ready
from tests.virtual_time import virtually


class Unavailable:
    """Fails `times` times, and notes the reasons for bad health at each attempt."""

    def __init__(self, health: Health, error: Exception, times: int) -> None:
        self.seen: list[dict[str, str]] = []
        self.result = object()
        self._health = health
        self._error = error
        self._times = times

    def __call__(self, _: Any) -> Any:
        self.seen.append(self._health.reasons)
        if len(self.seen) <= self._times:
            raise self._error
        return self.result


@pytest.fixture(autouse=True)
def _in_this_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads know no virtual time."""

    async def run(function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    monkeypatch.setattr(asyncio, "to_thread", run)


def test_a_database_that_is_away_is_tried_every_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Health has the reason until it can be used, and the message does not have the address."""
    health = Health()
    migrate = Unavailable(health, OperationalError("x", {}, Exception("secret-host")), 3)
    monkeypatch.setattr(startup, "migrate", migrate)

    async def run() -> float:
        began = asyncio.get_running_loop().time()
        assert await ready(None, health, asyncio.Event())  # type: ignore[arg-type]
        return asyncio.get_running_loop().time() - began

    assert 3 * RETRY_S == virtually(run())
    assert [{}, *[{"database": "cannot be opened (OperationalError)"}] * 3] == migrate.seen
    assert {} == health.reasons


def test_a_role_that_is_stopped_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first attempt, and between two."""
    health = Health()
    migrate = Unavailable(health, OperationalError("x", {}, Exception()), 9)
    monkeypatch.setattr(startup, "migrate", migrate)

    async def run() -> float:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        began = loop.time()
        loop.call_later(2.5, stop.set)
        assert not await ready(None, health, stop)  # type: ignore[arg-type]
        assert not await ready(None, health, stop)  # type: ignore[arg-type]
        return loop.time() - began

    assert 2.5 == virtually(run())
    assert 3 == len(migrate.seen)


def test_other_errors_of_a_migration_end_the_role(monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect does not pass by waiting."""
    monkeypatch.setattr(startup, "migrate", Unavailable(Health(), KeyError("x"), 1))
    with pytest.raises(KeyError):
        virtually(_ready())


async def _ready() -> bool:
    return await ready(None, Health(), asyncio.Event())  # type: ignore[arg-type]


def test_a_store_that_is_not_mounted_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Health has the reason, under the name of the store."""
    health = Health()
    opening = Unavailable(health, StoreError("no such directory"), 2)
    monkeypatch.setattr(AudioStore, "from_url", opening)
    assert opening.result is virtually(opened_store("file:///x", health, "lake"))
    assert [{}, *[{"lake": "cannot be opened: no such directory"}] * 2] == opening.seen
    assert {} == health.reasons
