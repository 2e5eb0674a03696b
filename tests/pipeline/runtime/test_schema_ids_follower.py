"""Roles that begin without Kafka or without a registry. With Kafka:
tests/integration/test_schema_ids.py."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY

from cli.roles import ROLES
from pipeline.runtime import schema_ids_follower
from pipeline.runtime.schema_ids import KnownIds, headers_of, value_of
from pipeline.runtime.schema_ids_file import save_ids
from pipeline.runtime.schema_ids_follower import (
    SchemaIdsFollower,
    _registered,
    following,
    with_schema_ids,
)
from pipeline.runtime.settings import Role, Settings, SettingsError
from pipeline.runtime.telemetry import Health
from schemas.codec import SCHEMA_IDS, encode, id_of
from schemas.records import RegisteredSchema, RegisteredSchemas, Tick
from schemas.registry.http import RegistryAway
from tests.schemas.other_ids import ids_as_before
from tools.reference.writers import OF_SHARED_TOPICS

TICK = SCHEMA_IDS["Tick"]
AWAY = "127.0.0.1:9"


@pytest.fixture(autouse=True)
def _ids_as_before() -> Iterator[None]:
    with ids_as_before():
        yield


def complete(first: int, address: str = "http://r") -> RegisteredSchemas:
    """A registration of every record type, with ids from `first`."""
    numbered = enumerate(SCHEMA_IDS.items(), first)
    schemas = (RegisteredSchema(fixed, name, number, ()) for number, (name, fixed) in numbered)
    return RegisteredSchemas(address, 1, tuple(schemas))


def arrival(record: RegisteredSchemas | bytes) -> dict[str, list[Any]]:
    """A record of the topic, as it is polled."""
    value = record if isinstance(record, bytes) else value_of(record)
    return {"p": [SimpleNamespace(value=value, headers=headers_of(), timestamp=1, offset=7)]}


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
    known.take(complete(100))
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
    assert follower._take_in(arrival(complete(100)))
    assert not follower._take_in({})
    assert TICK == id_of(encode(Tick(1)))
    assert not follower.in_use.is_set()
    await follower._switch()
    assert TICK != id_of(encode(Tick(1)))
    assert follower.in_use.is_set()


@pytest.mark.parametrize("bad", [b"rubbish", complete(101)], ids=["rubbish", "contradictory"])
async def test_a_record_that_cannot_be_used_is_refused(bad: RegisteredSchemas | bytes) -> None:
    """It is counted and shown, and the ids from before stay in force, also for records that come
    later: an id of the refused record must not stand in their way."""
    health = Health()
    follower = SchemaIdsFollower(Settings(kafka_bootstrap_servers=AWAY), health)
    follower._take_in(arrival(complete(100)))
    before = REGISTRY.get_sample_value("flexcapture_schema_ids_refused_total") or 0.0
    with structlog.testing.capture_logs() as logged:
        follower._take_in(arrival(bad))
    assert ["error"] == [line["log_level"] for line in logged]
    assert "record 7 of schema.ids is refused" in health.warnings["schema-ids-refused"]
    assert before + 1 == REGISTRY.get_sample_value("flexcapture_schema_ids_refused_total")
    assert (complete(100),) == follower.known.records
    await follower._switch()
    assert follower.in_use.is_set()
    assert 100 + list(SCHEMA_IDS).index("Tick") == id_of(encode(Tick(1)))
    later = complete(1_000, "http://other")
    follower._take_in(arrival(later))
    assert (complete(100), later) == follower.known.records


class Reader:
    """A consumer of which the first start fails, in a way that nothing expects."""

    starts = 0

    async def start(self) -> None:
        """Fail once."""
        Reader.starts += 1
        if Reader.starts == 1:
            raise RuntimeError("a defect")

    async def stop(self) -> None:
        """Disconnect."""

    async def end_offsets(self, partitions: list[Any]) -> dict[Any, int]:
        """Return that the topic is empty."""
        return dict.fromkeys(partitions, 0)

    def assign(self, _: object) -> None:
        """Do nothing."""

    def seek(self, *_: object) -> None:
        """Do nothing."""

    async def getmany(self, timeout_ms: int) -> dict[Any, Any]:
        """Return nothing."""
        await asyncio.sleep(timeout_ms / 1000)
        return {}


async def test_an_unexpected_error_does_not_end_the_follower(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its process would read no new ids, unnoticed. The health is bad until the topic was read."""
    monkeypatch.setattr(schema_ids_follower, "consumer", lambda *_, **__: Reader())
    monkeypatch.setattr(schema_ids_follower, "_READ_AGAIN_S", 0.05)
    monkeypatch.setattr(Reader, "starts", 0)
    health = Health()
    follower = SchemaIdsFollower(Settings(kafka_bootstrap_servers=AWAY), health)
    work = asyncio.create_task(follower.run())
    assert "a defect" in await reason_of(health, "schema-ids")
    async with asyncio.timeout(60):
        await follower.in_use.wait()
    assert {} == health.reasons
    work.cancel()


async def test_a_follower_that_ends_all_the_same_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For a role that has begun without Kafka. One that has not begun does not begin."""
    fails = asyncio.Event()

    async def refused(*_: object, **__: object) -> None:
        await fails.wait()
        raise SettingsError("the topic has 3 partitions")

    monkeypatch.setattr(schema_ids_follower, "until_usable", refused)
    settings, health = Settings(kafka_bootstrap_servers=AWAY), Health()
    async with following(settings, health, 0.05):
        fails.set()
        assert "3 partitions" in await reason_of(health, "schema-ids")
    with pytest.raises(SettingsError):
        async with following(settings, Health(), 60):
            raise AssertionError("it must not begin")


async def test_it_waits_for_a_registry_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A role waits until its registry has every schema, registered by any process."""
    settings = Settings(kafka_bootstrap_servers=AWAY, schema_registry_url="http://u:pw@127.0.0.1:8")
    health = Health()
    follower = SchemaIdsFollower(settings, health)

    async def unavailable(*_: object, **__: object) -> None:
        raise RegistryAway("the schema registry at http://127.0.0.1:8 does not answer")

    monkeypatch.setattr(schema_ids_follower, "register_schemas", unavailable)
    work = asyncio.create_task(_registered(follower, settings, health))
    assert "does not answer" in await reason_of(health, "schemas")
    assert "pw" not in health.reasons["schemas"]
    follower._take_in(arrival(complete(100, "http://127.0.0.1:8")))
    follower.in_use.set()
    await work
    assert {} == health.reasons


async def test_what_a_role_does_not_write_does_not_hold_it_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """After an upgrade with new record types, while the registry is away: a role with the ids of
    all that it writes begins, with a warning until the rest is registered. One line is logged."""
    url = "http://127.0.0.1:8"
    settings = Settings(kafka_bootstrap_servers=AWAY, schema_registry_url=url, state_dir=tmp_path)
    monkeypatch.setattr(schema_ids_follower, "RETRY_S", 0.01)
    some = replace(complete(100, url), schemas=complete(100, url).schemas[1:])
    missing, *known = SCHEMA_IDS
    asked, several = list[None](), asyncio.Event()

    async def unavailable(*_: object, **__: object) -> None:
        asked.append(None)
        if len(asked) >= 5:
            several.set()
        raise RegistryAway("the registry does not answer")

    async def followed(follower: SchemaIdsFollower, *_: object) -> None:
        follower._take_in(arrival(some))
        follower.in_use.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(schema_ids_follower, "register_schemas", unavailable)
    monkeypatch.setattr(schema_ids_follower, "_follow", followed)
    health = Health()
    with structlog.testing.capture_logs() as logged:
        async with asyncio.timeout(60), following(settings, health, 3.0, frozenset(known)):
            assert {} == health.reasons
            await several.wait()
            assert "does not answer" in health.warnings["schemas"]
            assert {} == health.reasons
    assert 1 == sum("waiting to register" in line["event"] for line in logged)
    health = Health()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3), following(settings, health, 3.0, frozenset({missing})):
            raise AssertionError("it must not begin")
    assert "does not answer" in health.reasons["schemas"]


def test_a_gateway_needs_the_ids_of_what_it_writes() -> None:
    """As docs/reference lists the writers of records."""
    written = {name for name, roles in OF_SHARED_TOPICS.items() if Role.GATEWAY in roles}
    assert written | {"ClockProbe"} == ROLES[Role.GATEWAY].needs


async def test_a_role_without_a_registry_warns_of_missing_ids() -> None:
    """It works with the ids that there are."""
    health = Health()
    follower = SchemaIdsFollower(Settings(kafka_bootstrap_servers=AWAY), health)
    await _registered(follower, Settings(), health)
    assert {} == health.warnings
    follower.known.take(RegisteredSchemas("http://r", 1, complete(100).schemas[1:]))
    await _registered(follower, Settings(), health)
    missing = next(iter(SCHEMA_IDS))
    assert f"http://r has no id for {missing}:" in health.warnings["schemas"]
    assert {} == health.reasons
