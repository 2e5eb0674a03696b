"""Roles that begin without Kafka or without a registry. With Kafka:
tests/integration/test_schema_ids.py."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.runtime import schema_ids_follower
from pipeline.runtime.schema_ids import KnownIds, headers_of, value_of
from pipeline.runtime.schema_ids_file import save_ids
from pipeline.runtime.schema_ids_follower import SchemaIdsFollower, _registered, with_schema_ids
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from schemas.codec import SCHEMA_IDS, encode, id_of
from schemas.records import RegisteredSchema, RegisteredSchemas, Tick
from schemas.registry.http import RegistryAway
from tests.schemas.other_ids import ids_as_before

TICK = SCHEMA_IDS["Tick"]
AWAY = "127.0.0.1:9"


@pytest.fixture(autouse=True)
def _ids_as_before() -> Iterator[None]:
    with ids_as_before():
        yield


def whole(first: int, address: str = "http://r") -> RegisteredSchemas:
    """A registration of every record type, with ids from `first`."""
    numbered = enumerate(SCHEMA_IDS.items(), first)
    schemas = (RegisteredSchema(fixed, name, number, ()) for number, (name, fixed) in numbered)
    return RegisteredSchemas(address, 1, tuple(schemas))


def arrival(record: RegisteredSchemas | bytes) -> dict[str, list[Any]]:
    """A record of the topic, as it is polled."""
    value = record if isinstance(record, bytes) else value_of(record)
    return {"p": [SimpleNamespace(value=value, headers=headers_of(), timestamp=1)]}


async def reason_of(health: Health, name: str) -> str:
    """Return the reason, once the health has it."""
    for _ in range(6_000):
        if name in health.reasons:
            return health.reasons[name]
        await asyncio.sleep(0.01)
    raise AssertionError(f"no reason {name}")


async def test_a_patient_role_starts_with_the_kept_ids(tmp_path: Path) -> None:
    """While Kafka is away, a role with patience starts with the ids that it kept."""
    settings = Settings(kafka_bootstrap_servers=AWAY, state_dir=tmp_path)
    known = KnownIds()
    known.take(whole(100))
    save_ids(settings, known)
    seen = []

    async def role(_: Settings, __: Health, ___: asyncio.Event) -> None:
        seen.append(id_of(encode(Tick(1))))

    await with_schema_ids(role, 0.1)(settings, Health(), asyncio.Event())
    assert [100 + list(SCHEMA_IDS).index("Tick")] == seen


async def test_another_role_waits_for_kafka() -> None:
    """Without patience it does not start, and says why."""
    settings, health = Settings(kafka_bootstrap_servers=AWAY), Health()

    async def role(_: Settings, __: Health, ___: asyncio.Event) -> None:
        raise AssertionError("it must not start")

    work = asyncio.create_task(with_schema_ids(role)(settings, health, asyncio.Event()))
    await reason_of(health, "brokers")
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work


async def test_records_are_read_before_they_are_written_with_new_ids() -> None:
    """Between the two, the ids are not in use."""
    follower = SchemaIdsFollower(Settings(kafka_bootstrap_servers=AWAY), Health())
    assert follower._take_in(arrival(whole(100)))
    assert not follower._take_in({})
    assert TICK == id_of(encode(Tick(1)))
    assert not follower.in_use.is_set()
    await follower._switch()
    assert TICK != id_of(encode(Tick(1)))
    assert follower.in_use.is_set()


async def test_a_record_that_cannot_be_used_is_a_warning() -> None:
    """The ids before it stay in use, and the role goes on."""
    health = Health()
    follower = SchemaIdsFollower(Settings(kafka_bootstrap_servers=AWAY), health)
    follower._take_in(arrival(whole(100)))
    for bad in (b"rubbish", whole(101)):
        health.clear_warning("schemas")
        follower._take_in(arrival(bad))
        assert "cannot be used" in health.warnings["schemas"]
    await follower._switch()
    assert follower.in_use.is_set()


async def test_it_waits_for_a_registry_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A role with a registry waits until that has every schema, whoever registers them."""
    settings = Settings(kafka_bootstrap_servers=AWAY, schema_registry_url="http://u:pw@127.0.0.1:8")
    health = Health()
    follower = SchemaIdsFollower(settings, health)

    async def away(*_: object, **__: object) -> None:
        raise RegistryAway("the schema registry at http://127.0.0.1:8 does not answer")

    monkeypatch.setattr(schema_ids_follower, "register_schemas", away)
    work = asyncio.create_task(_registered(follower, settings, health))
    assert "does not answer" in await reason_of(health, "schemas")
    assert "pw" not in health.reasons["schemas"]
    follower._take_in(arrival(whole(100, "http://127.0.0.1:8")))
    follower.in_use.set()
    await work
    assert {} == health.reasons


async def test_a_role_without_a_registry_warns_of_missing_ids() -> None:
    """It works with the ids that there are."""
    health = Health()
    follower = SchemaIdsFollower(Settings(kafka_bootstrap_servers=AWAY), health)
    await _registered(follower, Settings(), health)
    assert {} == health.warnings
    follower.known.take(RegisteredSchemas("http://r", 1, whole(100).schemas[1:]))
    await _registered(follower, Settings(), health)
    missing = next(iter(SCHEMA_IDS))
    assert f"http://r has no id for {missing}:" in health.warnings["schemas"]
    assert {} == health.reasons
