"""Registration in real schema registries, which assign their own ids, and Confluent's client that
reads our records with them. One process of each registry serves the whole module."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from cli.main import main
from infra.local.apicurio import OLDEST_JAVA, apicurio, running_apicurio
from infra.local.downloads import MissingTool
from pipeline.runtime.kafka import consumer, ensure_topics
from pipeline.runtime.schema_ids import KnownIds, read_known, use
from schemas import codec, topics
from schemas.codec import SCHEMA_IDS, encode, id_of, schema_text
from schemas.records import Call
from schemas.registry.assignment import written_with
from schemas.registry.http import RegistryError, RegistryHttp
from schemas.registry.register import Registration, register
from schemas.registry.subjects import served_subjects
from schemas.topics import CALLS, CTI_EVENTS
from tests.conftest import SettingsFor
from tests.integration.faust_roles import publish, until
from tests.integration.single_roles import roles
from tests.pipeline.calls.histories import inbound
from tests.schemas.avro_values import filled
from tests.schemas.other_ids import ids_as_before

pytestmark = pytest.mark.integration

PREFIX = "r."
AT = 1_700_000_000_000
RECORDS = [(topic, name) for topic in topics.ALL for name in topic.records]


@dataclass(frozen=True)
class FilledRegistry:
    """A registry with all schemas, for topics with the prefix `PREFIX`."""

    url: str
    made: Registration


@pytest.fixture(scope="module", params=OLDEST_JAVA)
def registry(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FilledRegistry]:
    """A real registry of each kind, in which the schemas were registered once."""
    try:
        apicurio(request.param)
    except (MissingTool, RuntimeError) as error:
        pytest.skip(f"Apicurio is missing: {error}")  # in CI a skip fails the run
    log = tmp_path_factory.mktemp("apicurio") / "log"
    with running_apicurio(request.param, log) as url:
        yield FilledRegistry(url, register(url, PREFIX, AT))


def test_all_is_registered_once(registry: FilledRegistry) -> None:
    """Every subject is there, under ids that the registry assigned, and no other one. Another run
    adds nothing and keeps the ids."""
    asked = RegistryHttp(registry.url)
    assert served_subjects(PREFIX).keys() == set(asked.get("/subjects"))
    assert not registry.made.takes_our_ids
    assert () == registry.made.notes
    again = register(registry.url, PREFIX, AT, registry.made.record)
    assert ((), registry.made.record) == (again.added, again.record)
    levels = {name: asked.get(f"/config/{name}") for name in (f"{PREFIX}calls-value",
                                                           f"{PREFIX}media-value")}  # fmt: skip
    assert ["FULL_TRANSITIVE", "BACKWARD_TRANSITIVE"] == [
        level["compatibilityLevel"] for level in levels.values()
    ]


def test_confluents_client_reads_every_topic(registry: FilledRegistry) -> None:
    """A deserializer that knows no schema reads every record of every topic, as we write it. So
    does one with `use.latest.version`, also on a topic with several record types, and one that
    gets the topic's schema."""
    known = KnownIds()
    known.take(registry.made.record)
    with ids_as_before(), SchemaRegistryClient({"url": registry.url}) as client:
        use(known)
        plain = AvroDeserializer(client)
        for topic, name in RECORDS:
            value = encode(codec._FROM_PLAIN[name](filled(name)))
            assert written_with(registry.made.record)[SCHEMA_IDS[name]] == id_of(value)
            context = SerializationContext(f"{PREFIX}{topic.name}", MessageField.VALUE)
            found = plain(value, context)
            assert isinstance(found, dict)
            assert {field["name"] for field in json.loads(schema_text(name))["fields"]} == set(
                found
            )
            subject = client.get_latest_version(f"{PREFIX}{topic.name}-value").schema
            assert subject is not None
            latest = AvroDeserializer(client, conf={"use.latest.version": True})
            assert found == latest(value, context), name
            assert found == AvroDeserializer(client, subject.schema_str)(value, context), name


def test_confluents_client_writes_every_topic(registry: FilledRegistry) -> None:
    """A serializer with `use.latest.version` writes every record: with the schema of the topic's
    record type, or with the union. We can read its records."""
    known = KnownIds()
    known.take(registry.made.record)
    with ids_as_before(), SchemaRegistryClient({"url": registry.url}) as client:
        use(known)
        plain = AvroDeserializer(client)
        for topic, name in RECORDS:
            value = encode(codec._FROM_PLAIN[name](filled(name)))
            context = SerializationContext(f"{PREFIX}{topic.name}", MessageField.VALUE)
            found = plain(value, context)
            latest = client.get_latest_version(f"{PREFIX}{topic.name}-value")
            assert latest.schema is not None
            assert latest.schema_id is not None
            is_union = len(topic.records) > 1
            conf = {"auto.register.schemas": False, "use.latest.version": True}
            texts = [schema_text(name), *([latest.schema.schema_str] if is_union else [])]
            for text in texts:
                serializer = AvroSerializer(client, text, conf=conf)
                written = serializer((f"flexcapture.{name}", found) if is_union else found, context)
                assert written is not None
                assert latest.schema_id == int.from_bytes(written[1:5]), name
                assert codec.decode(value) == codec.decode(written), name


def test_a_role_writes_what_the_registrys_clients_read(
    registry: FilledRegistry, settings_for: SettingsFor, prefix: str, kafka: str, tmp_path: Path
) -> None:
    """A single role with the registry in its settings registers for its own topics, and Confluent's
    client reads the records that it wrote."""
    settings = settings_for(prefix)

    async def calls_written() -> list[bytes]:
        await running.all_healthy(120)
        use(await read_known(settings))
        event = inbound().events[0]
        await publish(settings, CTI_EVENTS, [(event.task_sid or "", event)])
        await ensure_topics(settings, [CALLS])
        reader = consumer(settings, settings.prefixed(CALLS.name))
        await reader.start()
        found: list[bytes] = []

        async def has() -> bool:
            for records in (await reader.getmany(timeout_ms=50)).values():
                found.extend(record.value for record in records)
            return bool(found)

        try:
            await until(has)
        finally:
            await reader.stop()
        return found

    with (
        ids_as_before(),
        roles(tmp_path, kafka, prefix, SCHEMA_REGISTRY_URL=registry.url) as running,
    ):
        running.start({"tracker": 1})
        [value] = asyncio.run(calls_written())
        call = codec.decode(value)
        assert isinstance(call, Call)
    assert id_of(value) == written_with(registry.made.record)[SCHEMA_IDS["Call"]]
    with SchemaRegistryClient({"url": registry.url}) as client:
        context = SerializationContext(settings.prefixed(CALLS.name), MessageField.VALUE)
        found: Any = AvroDeserializer(client, conf={"use.latest.version": True})(value, context)
    assert call.task_sid == found["task_sid"]


def test_a_foreign_schema_in_a_subject_of_ours_is_refused(registry: FilledRegistry) -> None:
    """If the registry holds another schema under a subject of ours, and does not take ours beside
    it, the error names the subject; nothing of the attempt is left."""
    asked = RegistryHttp(registry.url)
    before = set(asked.get("/subjects"))
    subject = "/subjects/f.call.aliases-value"
    asked.ask("POST", f"{subject}/versions", {"schema": '"string"'})
    asked.ask("PUT", "/config/f.call.aliases-value", {"compatibility": "BACKWARD"})
    try:
        with pytest.raises(RegistryError, match=r"CallAlias .* f\.call\.aliases-value \(409\)"):
            register(registry.url, "f.", AT)
        assert before | {"f.call.aliases-value"} == set(asked.get("/subjects"))
    finally:
        asked.ask("DELETE", subject)


def test_the_check_finds_what_was_changed(
    registry: FilledRegistry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`schemas check` accepts the schemas that were registered, and names later changes by another
    application. Registration puts them right."""
    monkeypatch.setenv("FLEXCAPTURE_NO_ENV_FILE", "1")
    monkeypatch.setenv("FLEXCAPTURE_SCHEMA_REGISTRY_URL", registry.url)
    monkeypatch.setenv("FLEXCAPTURE_TOPIC_PREFIX", PREFIX)
    assert 0 == main(["schemas", "check"]), capsys.readouterr().out
    RegistryHttp(registry.url).ask("DELETE", f"/subjects/{PREFIX}ticks-value")
    assert 1 == main(["schemas", "check"])
    assert f"{PREFIX}ticks-value: version 1 of Tick is missing" in capsys.readouterr().out
    again = register(registry.url, PREFIX, AT, registry.made.record)
    assert [f"{PREFIX}ticks-value"] == [each.subject for each in again.added]
    assert registry.made.record == again.record
