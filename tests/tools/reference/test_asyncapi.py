"""docs/reference/asyncapi.yaml: a valid AsyncAPI 3.0 document with every topic and record."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pytest
import yaml
from jsonschema import Draft7Validator

from infra.local.downloads import fetched, kept, npm_packages
from pipeline.runtime.acls import ACCESS
from schemas import codec, topics
from schemas.codec import SCHEMA_IDS, encode
from schemas.event_headers import event_headers, source_of
from tests.schemas.avro_values import filled
from tools.reference.asyncapi import document, text
from tools.reference.writers import written_by

NAMED_IN = [Path(__file__).with_name(name) for name in ("package.json", "package-lock.json")]


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    """The JSON schema that AsyncAPI publishes for its documents."""
    directory = fetched(
        kept("asyncapi-specs"), NAMED_IN, lambda target: npm_packages(target, NAMED_IN)
    )
    specs = directory / "node_modules" / "@asyncapi" / "specs" / "schemas"
    return Draft7Validator(json.loads((specs / "3.0.0-without-$id.json").read_text()))


def test_it_is_valid(validator: Draft7Validator) -> None:
    """As it is read from the file's text."""
    read = yaml.safe_load(text())
    assert read == document()
    assert [] == [error.message for error in validator.iter_errors(read)]


def _broken() -> Iterator[tuple[str, Any]]:
    for name in ("asyncapi", "info", "channel", "operation", "binding"):
        changed = copy.deepcopy(document())
        match name:
            case "channel":
                changed["channels"]["calls"]["adress"] = "x"
            case "operation":
                changed["operations"]["tracker.send.calls"]["action"] = "publish"
            case "binding":
                changed["channels"]["calls"]["bindings"]["kafka"]["partitions"] = 0
            case _:
                del changed[name]
        yield name, changed


@pytest.mark.parametrize(("name", "changed"), _broken(), ids=lambda value: str(value)[:9])
def test_an_error_would_be_found(validator: Draft7Validator, name: str, changed: Any) -> None:
    """The check can fail, also within bindings."""
    assert [] != list(validator.iter_errors(changed))


def test_it_has_each_topic_with_its_configuration() -> None:
    """Partitions, retention and the form of every record, as `schemas/topics.py` has them."""
    found = document()["channels"]
    assert [topic.name for topic in topics.ALL] == list(found)
    for topic in topics.ALL:
        channel = found[topic.name]
        assert topic.records == tuple(channel["messages"])
        kafka = channel["bindings"]["kafka"]
        assert topic.partitions == kafka["partitions"]
        texts = {
            name: ",".join(value) if isinstance(value, list) else str(value)
            for name, value in kafka["topicConfiguration"].items()
        }
        assert topic.config() == texts


def test_references_lead_somewhere() -> None:
    """Channels and messages that are named exist."""

    def references(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            yield from [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            yield from (each for value in part.values() for each in references(value))
        elif isinstance(part, list):
            yield from (each for value in part for each in references(value))

    whole = document()
    found = set(references(whole))
    assert len(found) > 30
    for reference in found:
        place: Any = whole
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_each_payload_is_an_avro_schema_with_its_id() -> None:
    """fastavro parses it; the examples are of that record."""
    for name, message in document()["components"]["messages"].items():
        parsed: Any = fastavro.parse_schema(message["payload"]["schema"])
        assert f"flexcapture.{name}" == parsed["name"] == message["name"]
        assert SCHEMA_IDS[name] == message["x-schema-id"]
        fields = {field["name"] for field in parsed["fields"]}
        for example in message.get("examples", []):
            assert set() == example["payload"].keys() - fields


def test_headers_are_those_that_are_written() -> None:
    """Those of a record of each type fit the description of its headers."""
    for name, message in document()["components"]["messages"].items():
        value = encode(codec._FROM_PLAIN[name](filled(name)))
        written = {key: text.decode() for key, text in event_headers(value, source_of("tracker"))}
        assert written.keys() == message["headers"]["properties"].keys()
        assert [] == [e.message for e in Draft7Validator(message["headers"]).iter_errors(written)]
        assert f"flexcapture.{name}" == written["ce_type"]


def test_each_role_sends_and_receives_what_its_permissions_allow() -> None:
    """There is an operation for each topic that a role may read or write."""
    names = {topic.name for topic in topics.ALL}
    allowed = {
        f"{role}.{action}.{topic.name}"
        for role, access in ACCESS.items()
        for action, each in (("send", written_by(role)), ("receive", access.reads))
        for topic in each
        if topic.name in names
    }
    assert allowed == document()["operations"].keys()
