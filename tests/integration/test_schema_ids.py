"""Roles and commands with the ids of a schema registry: processes on a real Kafka, and a registry
that is like Confluent's."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from infra.ports import chosen
from pipeline.calls.merge import Folded, fold
from pipeline.runtime.kafka import consumer, ensure_topics
from pipeline.runtime.schema_ids import copy_ids, read_known, use
from pipeline.runtime.schema_ids_file import load_ids
from pipeline.runtime.schema_ids_follower import following
from pipeline.runtime.schema_registration import register_schemas, return_to_fixed_ids
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from schemas.codec import SCHEMA_IDS, encode, id_of
from schemas.records import CtiEvent
from schemas.registry.assignment import written_with
from schemas.registry.http import RegistryError
from schemas.topics import CALLS, CTI_EVENTS, RECONCILIATION_WINDOWS, TICKS, Topic
from tests.conftest import SettingsFor
from tests.integration.faust_roles import publish, until
from tests.integration.single_roles import roles
from tests.pipeline.calls.histories import inbound
from tests.schemas.foreign_registry import ForeignRegistry, foreign_registry
from tests.schemas.other_ids import ids_as_before

pytestmark = pytest.mark.integration


class Ids:
    """Collects the schema ids of a topic's records."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.seen: list[int | None] = []

    async def until_has(self, wanted: int, seconds: float = 60) -> list[int | None]:
        """Return the ids so far, once one of them is `wanted`."""

        async def has() -> bool:
            for records in (await self._reader.getmany(timeout_ms=50)).values():
                self.seen += [id_of(record.value) for record in records]
            return wanted in self.seen

        await until(has, seconds)
        return self.seen


@asynccontextmanager
async def ids_on(settings: Settings, topic: Topic) -> AsyncIterator[Ids]:
    """The ids on a topic, from its beginning."""
    await ensure_topics(settings, [topic])
    reader = consumer(settings, settings.prefixed(topic.name))
    await reader.start()
    try:
        yield Ids(reader)
    finally:
        await reader.stop()


def assigning(first: int = 1) -> ForeignRegistry:
    """A registry that assigns its own ids."""
    return ForeignRegistry(imports=False, next_id=first)


def events() -> list[tuple[str, CtiEvent]]:
    """The events of a call."""
    story = inbound().reservation("created", 1_000, "ann").reservation("accepted", 2_000, "ann")
    return [(event.task_sid or "", event) for event in story.events]


async def written_ids(settings: Settings) -> dict[int, int]:
    """The ids that are on the topic now."""
    return written_with((await read_known(settings)).latest)


async def test_roles_that_start_at_once_register_once(
    settings_for: SettingsFor, prefix: str, kafka: str, tmp_path: Path
) -> None:
    """Single roles with an empty registry fill it: one of them does it. All write
    with the registry's ids, and read what the others wrote. Started again, they ask no registry."""
    settings = settings_for(prefix)
    with (
        foreign_registry(assigning()) as registry,
        roles(tmp_path, kafka, prefix, SCHEMA_REGISTRY_URL=registry.url) as running,
    ):
        running.start({"tracker": 1, "resolver": 1, "recorder": 1})
        await running.all_healthy(120)
        subject = settings.prefixed(RECONCILIATION_WINDOWS.name)  # its schema has one version
        assert 1 == registry.requests.count(("POST", f"/subjects/{subject}-value/versions"))
        ids = await written_ids(settings)
        assert ids[SCHEMA_IDS["Call"]] != SCHEMA_IDS["Call"]
        with ids_as_before():
            use(await read_known(settings))
            await publish(settings, CTI_EVENTS, events())
        async with ids_on(settings, CALLS) as calls, ids_on(settings, TICKS) as ticks:
            assert {ids[SCHEMA_IDS["Call"]]} == {*await calls.until_has(ids[SCHEMA_IDS["Call"]])}
            assert {ids[SCHEMA_IDS["Tick"]]} == {*await ticks.until_has(ids[SCHEMA_IDS["Tick"]])}
        running.terminate()
        running.processes.clear()
        registry.requests.clear()
        running.start({"tracker": 1})
        await running.all_healthy(60)
        assert [] == registry.requests


async def test_a_role_waits_for_a_registry_that_is_away(
    settings_for: SettingsFor, prefix: str, kafka: str, tmp_path: Path
) -> None:
    """It says which registry it waits for, and starts once that answers. A role that needs no new
    id starts without it."""
    port = chosen(["registry"], {}, [])["registry"]
    url = f"http://127.0.0.1:{port}"
    with roles(tmp_path, kafka, prefix, SCHEMA_REGISTRY_URL=url) as running:
        running.start({"resolver": 1})
        waiting = "schemas: waiting to register the schemas: "
        away = f"{waiting}the schema registry at {url} does not answer"
        await running.until_health(503, 60, away)
        with foreign_registry(assigning(), port):
            await running.all_healthy(60)
        running.terminate()
        running.start({"resolver": 1})
        await running.all_healthy(60)


async def test_running_roles_change_their_ids(
    settings_for: SettingsFor, prefix: str, kafka: str, tmp_path: Path
) -> None:
    """A registration while roles run: they read records with its ids at once, soon write with them,
    and return to the fixed ids in the same way. No event is lost."""
    settings = settings_for(prefix)
    first, second, third = ([e] for e in events()[:3])
    fixed = SCHEMA_IDS["Call"]
    with (
        foreign_registry(assigning()) as registry,
        roles(tmp_path, kafka, prefix) as running,
    ):
        running.start({"tracker": 1})
        await running.all_healthy(120)
        async with ids_on(settings, CALLS) as calls:
            await publish(settings, CTI_EVENTS, first)
            assert {fixed} == {*await calls.until_has(fixed)}
            with ids_as_before():
                made = await register_schemas(settings, registry.url)
                assert made is not None
                use(await read_known(settings))
                assigned = written_with(made.record)[fixed]
                async with ids_on(settings, TICKS) as ticks:
                    await ticks.until_has(written_with(made.record)[SCHEMA_IDS["Tick"]])
                await publish(settings, CTI_EVENTS, second)
                await calls.until_has(assigned)
            assert await return_to_fixed_ids(settings)
            assert not await return_to_fixed_ids(settings)
            calls.seen.clear()
            await asyncio.sleep(4)
            await publish(settings, CTI_EVENTS, third)
            await calls.until_has(fixed)
        assert 200 == running.health("tracker-0")[0]


@pytest.fixture
def environment(
    settings_for: SettingsFor, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings that commands find in the environment, too."""
    settings = settings_for(prefix)
    monkeypatch.setenv(
        "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS", settings.kafka_bootstrap_servers or ""
    )
    monkeypatch.setenv("FLEXCAPTURE_TOPIC_PREFIX", prefix)
    monkeypatch.setenv("FLEXCAPTURE_NO_ENV_FILE", "1")
    monkeypatch.chdir(tmp_path)
    return settings


def test_commands_register_check_and_read(
    environment: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`schemas register` lists its work, once; `schemas check` finds later changes, and
    `tail` reads records with the registry's ids."""
    with foreign_registry(assigning()) as registry, ids_as_before():
        monkeypatch.setenv("FLEXCAPTURE_SCHEMA_REGISTRY_URL", registry.url)
        assert 1 == main(["schemas", "check"])
        assert "not on the topic schema.ids" in capsys.readouterr().out
        assert 0 == main(["schemas", "register"])
        name = f"{environment.topic_prefix}calls-value"
        assert f"{name}: version 1 of Call, id " in capsys.readouterr().out
        assert 0 == main(["schemas", "register"])
        assert " 0 versions registered" in capsys.readouterr().out
        assert 0 == main(["schemas", "check"])
        known = asyncio.run(read_known(environment))
        use(known)
        assert written_with(known.latest)[SCHEMA_IDS["CtiEvent"]] == id_of(encode(events()[0][1]))
        asyncio.run(publish(environment, CTI_EVENTS, events()[:1]))
        capsys.readouterr()
        assert 0 == main(["tail", "cti.events", "schema.ids", "--json"])
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert ["RegisteredSchemas", "CtiEvent"] == [line["type"] for line in lines]
        del registry.subjects[name]
        assert 1 == main(["schemas", "check"])
        assert f"{name}: version 1 of Call is missing" in capsys.readouterr().out


async def test_a_registration_that_fails_publishes_nothing(environment: Settings) -> None:
    """If the registry fails midway, the topic is as before."""
    with foreign_registry(ForeignRegistry(imports=False, fails_at=9)) as registry:
        with pytest.raises(RegistryError, match="500"):
            await register_schemas(environment, registry.url)
        assert () == (await read_known(environment)).records
        made = await register_schemas(environment, registry.url)
        assert made is not None
        assert (made.record,) == (await read_known(environment)).records


async def test_the_ids_of_an_earlier_registry_stay_readable(environment: Settings) -> None:
    """Another registry's ids are written from then on; a third, with other meanings for the same
    ids, is refused."""
    with foreign_registry(assigning()) as first, foreign_registry(assigning(5_000)) as second:
        one = await register_schemas(environment, first.url)
        other = await register_schemas(environment, second.url)
        assert one is not None
        assert other is not None
        known = await read_known(environment)
        assert (one.record, other.record) == known.records
        with ids_as_before():
            use(known)
            assert written_with(other.record)[SCHEMA_IDS["Call"]] == id_of(encode(inbound_call()))
    with foreign_registry(assigning(17)) as third, pytest.raises(RegistryError, match="means"):
        await register_schemas(environment, third.url)


async def test_a_derivation_has_the_ids(environment: Settings) -> None:
    """The topics of a derivation, which have another prefix, get the ids of the live topics."""
    target = environment.model_copy(update={"topic_prefix": f"{environment.topic_prefix}d."})
    with foreign_registry(assigning()) as registry:
        await register_schemas(environment, registry.url)
    for _ in range(2):
        await copy_ids(environment, target)
        assert (await read_known(environment)).records == (await read_known(target)).records


async def test_a_role_may_start_without_kafka(
    settings_for: SettingsFor, prefix: str, tmp_path: Path
) -> None:
    """A role with patience starts with the ids that its state directory has, while Kafka is away;
    without any, with the fixed ids."""
    settings = settings_for(prefix, state_dir=tmp_path / "state")
    away = settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:9"})
    with foreign_registry(assigning()) as registry, ids_as_before():
        async with following(away, Health(), 0.3):
            assert SCHEMA_IDS["Call"] == id_of(encode(inbound_call()))
        await register_schemas(settings, registry.url)
        async with following(settings, Health(), 60):
            pass
        assert (await read_known(settings)).records == load_ids(settings).records
    with ids_as_before():
        async with following(away, Health(), 0.3):
            assigned = written_with(load_ids(settings).latest)[SCHEMA_IDS["Call"]]
            assert assigned == id_of(encode(inbound_call()))


def inbound_call() -> Any:
    """A call."""
    outcome = fold(None, inbound().events[0])
    assert isinstance(outcome, Folded)
    return outcome.call
