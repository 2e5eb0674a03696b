"""Confluent's own client reads and writes with the built-in registry, in each of its modes."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from confluent_kafka.schema_registry import (
    Schema,
    SchemaRegistryClient,
    SchemaRegistryError,
    record_subject_name_strategy,
    topic_record_subject_name_strategy,
    topic_subject_name_strategy,
)
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from schemas import codec, topics
from schemas.codec import SCHEMA_IDS, encode, schema_text, versions
from schemas.registry.app import app
from schemas.topics import Topic
from tests.schemas.avro_values import filled

RECORDS = [(topic, name) for topic in topics.ALL for name in topic.records]
IN_UNIONS = [(topic, name) for topic, name in RECORDS if len(topic.records) > 1]
STRATEGIES: list[tuple[Callable[..., Any], Topic, str]] = [
    *[(topic_subject_name_strategy, *each) for each in RECORDS],
    *[(topic_record_subject_name_strategy, *each) for each in RECORDS],
    *[(record_subject_name_strategy, *each) for each in RECORDS],
]
MODES: list[Callable[[int], dict[str, Any]]] = [
    lambda _: {},
    lambda _: {"auto.register.schemas": False},
    lambda _: {"auto.register.schemas": False, "normalize.schemas": True},
    lambda _: {"auto.register.schemas": False, "use.latest.version": True},
    lambda schema_id: {"auto.register.schemas": False, "use.schema.id": schema_id},
]
"""Settings of a serializer, by the id of the schema to write with."""
LATEST = MODES[3]
WRITES = [
    (mode, strategy, topic, name)
    for mode in MODES
    for strategy, topic, name in STRATEGIES
    if (mode, strategy) != (LATEST, topic_subject_name_strategy) or len(topic.records) == 1
]
"""The latest version for a topic with several record types is a union: see below."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of the registry; topics have the prefix `p.`."""
    server = uvicorn.Server(uvicorn.Config(app("p."), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[SchemaRegistryClient]:
    """Confluent's client of the registry."""
    with SchemaRegistryClient({"url": url}) as found:
        yield found


def _written(name: str) -> bytes:
    """A record in the bytes that are on its topic."""
    return encode(codec._FROM_PLAIN[name](filled(name)))


@pytest.mark.parametrize(("topic", "name"), RECORDS)
def test_every_record_is_read(client: SchemaRegistryClient, topic: Topic, name: str) -> None:
    """A deserializer that knows no schema reads every record of every topic."""
    context = SerializationContext(f"p.{topic.name}", MessageField.VALUE)
    fields = {field["name"] for field in json.loads(schema_text(name))["fields"]}
    found = AvroDeserializer(client)(_written(name), context)
    assert isinstance(found, dict)
    assert fields == found.keys()


@pytest.mark.parametrize(("mode", "strategy", "topic", "name"), WRITES)
def test_every_record_is_written(
    client: SchemaRegistryClient,
    mode: Callable[[int], dict[str, Any]],
    strategy: Callable[..., Any],
    topic: Topic,
    name: str,
) -> None:
    """A serializer finds our schema by its subject, and writes the bytes that we write."""
    context = SerializationContext(f"p.{topic.name}", MessageField.VALUE)
    settings = {"subject.name.strategy": strategy, **mode(SCHEMA_IDS[name])}
    written = _written(name)
    reader = AvroDeserializer(client, conf={"subject.name.strategy": strategy})
    serializer = AvroSerializer(client, schema_text(name), conf=settings)
    assert written == serializer(reader(written, context), context)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("topic", "name"), IN_UNIONS)
def test_every_record_is_written_with_its_union(
    client: SchemaRegistryClient, mode: Callable[[int], dict[str, Any]], topic: Topic, name: str
) -> None:
    """With the TopicNameStrategy, a topic with several record types has one subject. We and
    Confluent's deserializer read what a serializer writes with the union."""
    context = SerializationContext(f"p.{topic.name}", MessageField.VALUE)
    latest = client.get_latest_version(f"p.{topic.name}-value")
    assert latest.schema is not None
    assert latest.schema_id is not None
    text = latest.schema.schema_str
    serializer = AvroSerializer(client, text, conf=mode(latest.schema_id))
    plain = AvroDeserializer(client)(_written(name), context)
    written = serializer((f"flexcapture.{name}", plain), context)
    assert written is not None
    assert b"\0" + latest.schema_id.to_bytes(4) == written[:5]
    assert codec.decode(_written(name)) == codec.decode(written)
    assert plain == AvroDeserializer(client)(written, context)


def test_a_version_is_found_by_its_metadata(client: SchemaRegistryClient) -> None:
    """`use.latest.with.metadata` without metadata takes the latest version. No version has any, and
    the client gets the registry's code for that."""
    written = _written("Call")
    context = SerializationContext("p.calls", MessageField.VALUE)
    conf = {"auto.register.schemas": False, "use.latest.with.metadata": {}}
    reader = AvroDeserializer(client, conf={"use.latest.with.metadata": {}})
    serializer = AvroSerializer(client, schema_text("Call"), conf=conf)
    assert written == serializer(reader(written, context), context)
    with pytest.raises(SchemaRegistryError) as raised:
        client.get_latest_with_metadata("p.calls-value", {"owner": "me"})
    assert (404, 40403) == (raised.value.http_status_code, raised.value.error_code)


@pytest.mark.parametrize(("topic", "name"), RECORDS)
def test_a_deserializer_may_read_into_the_latest_version(
    client: SchemaRegistryClient, topic: Topic, name: str
) -> None:
    """`use.latest.version` of a deserializer finds the topic's subject: its record type, or the
    union of its types."""
    context = SerializationContext(f"p.{topic.name}", MessageField.VALUE)
    reader = AvroDeserializer(client, conf={"use.latest.version": True})
    assert AvroDeserializer(client)(_written(name), context) == reader(_written(name), context)


@pytest.mark.parametrize(("topic", "name"), IN_UNIONS)
def test_a_deserializer_may_read_into_a_union(
    client: SchemaRegistryClient, topic: Topic, name: str
) -> None:
    """A deserializer that has the union reads records that have the schema of their type."""
    context = SerializationContext(f"p.{topic.name}", MessageField.VALUE)
    latest = client.get_latest_version(f"p.{topic.name}-value")
    assert latest.schema is not None
    reader = AvroDeserializer(client, latest.schema.schema_str)
    assert AvroDeserializer(client)(_written(name), context) == reader(_written(name), context)


def test_earlier_records_are_read_into_the_union(client: SchemaRegistryClient) -> None:
    """A record of an earlier version of a type in a union becomes one of the current version."""
    context = SerializationContext("p.media", MessageField.VALUE)
    fields = filled("MediaStreamOpened", 1)
    subject = {"subject.name.strategy": topic_record_subject_name_strategy}
    schema = schema_text("MediaStreamOpened", 1)
    written = AvroSerializer(client, schema, conf=subject)(fields, context)
    assert written is not None
    assert versions("MediaStreamOpened")[0].to_bytes(4) == written[1:5]
    reader = AvroDeserializer(client, conf={"use.latest.version": True})
    found = reader(written, context)
    assert isinstance(found, dict)
    assert found["clock_correction_ms"] is None
    assert "clock_correction_ms" not in fields


def test_a_new_schema_is_refused(client: SchemaRegistryClient) -> None:
    """Registration of an unknown schema fails with the error of a read-only registry."""
    new = Schema('{"type": "record", "name": "New", "fields": []}', "AVRO")
    with pytest.raises(SchemaRegistryError) as raised:
        client.register_schema("p.calls-value", new)
    assert (422, 42205) == (raised.value.http_status_code, raised.value.error_code)
    with pytest.raises(SchemaRegistryError) as raised:
        client.lookup_schema("p.calls-value", new)
    assert (404, 40403) == (raised.value.http_status_code, raised.value.error_code)
    assert not client.test_compatibility("p.calls-value", new)
    assert not client.test_compatibility_all_versions("p.calls-value", new)


def test_the_rest_of_the_client_works(client: SchemaRegistryClient) -> None:
    """Lists, versions, configuration and mode."""
    ours = Schema(schema_text("Call"), "AVRO")
    assert client.test_compatibility("p.calls-value", ours)
    assert "p.calls-value" in client.get_subjects(subject_prefix="p.c")
    assert "p.calls-value" in client.get_subjects_by_schema_id(SCHEMA_IDS["Call"])
    assert client.get_schema_versions(SCHEMA_IDS["Call"], subject_name="p.calls-value")
    latest = client.get_latest_version("p.calls-value")
    assert SCHEMA_IDS["Call"] == latest.schema_id
    assert latest.version == client.get_versions("p.calls-value")[-1]
    assert latest.schema_id == client.get_version("p.calls-value", latest.version or 0).schema_id
    assert ["AVRO"] == client.get_schema_types()
    assert ["."] == client.get_contexts()
    assert "FULL_TRANSITIVE" == client.get_compatibility("p.calls-value")
    assert "READONLY" == client.get_mode("p.calls-value") == client.get_global_mode()
    with pytest.raises(SchemaRegistryError, match="read-only"):
        client.delete_subject("p.calls-value")
