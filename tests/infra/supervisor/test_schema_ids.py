"""The ids with which the roles of `up` write. With Kafka: tests/integration/test_schema_ids.py."""

from collections.abc import Callable
from typing import Any

import pytest

from infra.supervisor import schema_ids
from infra.supervisor.schema_ids import use_ids
from pipeline.runtime.schema_ids import KnownIds
from pipeline.runtime.settings import Settings
from schemas.codec import SCHEMA_IDS
from schemas.records import RegisteredSchema, RegisteredSchemas
from schemas.registry.http import RegistryAway, RegistryError

URL = "http://127.0.0.1:9"
WITH_REGISTRY = Settings(schema_registry_url=URL)


def outside(
    monkeypatch: pytest.MonkeyPatch,
    register: Callable[[], Any],
    *,
    known: bool,
    had_registry: bool = False,
) -> None:
    """Set what happens outside: a registration, the ids on the topic."""

    async def registering(*_: object) -> Any:
        return register()

    async def reading(_: Settings) -> KnownIds:
        found = KnownIds()
        if known:
            ids = (RegisteredSchema(f, n, i, ()) for i, (n, f) in enumerate(SCHEMA_IDS.items(), 1))
            found.take(RegisteredSchemas(URL, 1, tuple(ids)))
        return found

    async def returning(_: Settings) -> bool:
        return had_registry

    monkeypatch.setattr(schema_ids, "register_schemas", registering)
    monkeypatch.setattr(schema_ids, "read_known", reading)
    monkeypatch.setattr(schema_ids, "return_to_fixed_ids", returning)
    monkeypatch.setattr(schema_ids, "_RETRY_S", 0)


def unavailable() -> None:
    """A registry that does not answer."""
    raise RegistryAway("it does not answer")


async def test_a_registry_that_is_away_is_not_needed_for_known_ids(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`up` starts, and warns."""
    outside(monkeypatch, unavailable, known=True)
    lines: list[str] = []
    await use_ids(WITH_REGISTRY, lines.append)
    assert ["warning: it does not answer; the ids that it gave before are used"] == lines


async def test_up_waits_for_a_registry_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """With unknown ids it waits and says so; at last it gives up."""
    attempts = iter([unavailable, unavailable, lambda: None])

    def next_attempt() -> None:
        return next(attempts)()

    outside(monkeypatch, next_attempt, known=False)
    lines: list[str] = []
    await use_ids(WITH_REGISTRY, lines.append)
    assert ["waiting: it does not answer"] * 2 == lines
    monkeypatch.setattr(schema_ids, "WAIT_S", -1)
    outside(monkeypatch, unavailable, known=False)
    with pytest.raises(RegistryAway):
        await use_ids(WITH_REGISTRY, lines.append)


async def test_a_refusal_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting does not help, with any known ids."""

    def refuse() -> None:
        raise RegistryError("read-only")

    outside(monkeypatch, refuse, known=True)
    with pytest.raises(RegistryError, match="read-only"):
        await use_ids(WITH_REGISTRY, print)


@pytest.mark.parametrize("had_registry", [True, False])
async def test_without_a_registry_the_fixed_ids_hold(
    monkeypatch: pytest.MonkeyPatch, had_registry: bool
) -> None:
    """It is said if a registry's held before."""
    outside(monkeypatch, unavailable, known=False, had_registry=had_registry)
    lines: list[str] = []
    await use_ids(Settings(), lines.append)
    assert had_registry is bool(lines)
