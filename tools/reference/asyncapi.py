"""The file docs/reference/asyncapi.yaml: topics and records in AsyncAPI 3.0 with Kafka bindings."""

import json
import tomllib
from collections.abc import Mapping
from typing import Any

import yaml

from pipeline.runtime.acls import ACCESS
from pipeline.runtime.settings import Role
from schemas.codec import SCHEMA_IDS, schema_text
from schemas.event_headers import CONTENT_TYPE
from schemas.topics import ALL, Topic
from tools.reference.example_run import load
from tools.reference.model import ROOT, all_records
from tools.reference.writers import written_by

AVRO = "application/vnd.apache.avro;version=1.9.0"
BINDING = "0.5.0"
_HEAD = "# Written by `python -m tools.reference`; do not edit.\n"
_ABOUT = """\
The topics of flexcapture, which records calls of a Twilio Flex contact center. Values are Avro in
Confluent's wire format: a zero byte, the schema's id in four bytes (big-endian), the Avro body. A
record has the id of its own type, also on topics with several types. Topics may have a prefix
(FLEXCAPTURE_TOPIC_PREFIX). Read with isolation.level=read_committed.
"""


def text() -> str:
    """Return the text of the file."""
    return _HEAD + yaml.dump(
        document(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
    )


class _Dumper(yaml.SafeDumper):
    """Repeats values rather than naming them: some tools do not read YAML's aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def document() -> dict[str, Any]:
    """Return the description as plain values."""
    product = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = dict.fromkeys(name for topic in ALL for name in topic.records)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "flexcapture",
            "version": product["version"],
            "description": " ".join(_ABOUT.split()),
            "license": {"name": product["license"]},
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {"kafka": _server()},
        "channels": {topic.name: _channel(topic) for topic in ALL},
        "operations": {name: each for topic in ALL for name, each in _operations(topic).items()},
        "components": {"messages": {name: _message(name) for name in names}},
    }


def _server() -> dict[str, Any]:
    return {
        "host": "{bootstrap}",
        "protocol": "kafka",
        "description": "Any Kafka. `flexcapture up` starts one, and names it in endpoints.json.",
        "variables": {
            "bootstrap": {
                "default": "127.0.0.1:9092",
                "description": "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS",
            }
        },
        "bindings": {"kafka": {"schemaRegistryVendor": "confluent", "bindingVersion": BINDING}},
    }


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"Key: {topic.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in topic.records},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": _configuration(topic),
                "bindingVersion": BINDING,
            }
        },
    }


def _configuration(topic: Topic) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in topic.config().items():
        if name == "cleanup.policy":
            found[name] = value.split(",")
        else:
            found[name] = int(value) if value.lstrip("-").isdecimal() else value
    return found


def _operations(topic: Topic) -> dict[str, Any]:
    """The operations of each role on a topic: it sends, or receives with its consumer group."""
    found = {}
    for role, access in ACCESS.items():
        for action, topics in (("send", written_by(role)), ("receive", access.reads)):
            if topic.name in {each.name for each in topics}:
                found[f"{role}.{action}.{topic.name}"] = _operation(role, action, topic)
    return found


def _operation(role: Role, action: str, topic: Topic) -> dict[str, Any]:
    group = ACCESS[role].group
    binding: dict[str, Any] = {"bindingVersion": BINDING}
    if action == "receive" and group is not None:
        binding = {"groupId": {"type": "string", "enum": [group]}, **binding}
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "summary": f"The role {role} {'writes' if action == 'send' else 'reads'} {topic.name}.",
        "bindings": {"kafka": binding},
    }


def _message(name: str) -> dict[str, Any]:
    info = all_records()[name]
    keys = "; ".join(f"{topic.key} (on {topic.name})" for topic in info.topics)
    message: dict[str, Any] = {
        "name": f"flexcapture.{name}",
        "title": name,
        "summary": info.doc,
        "contentType": CONTENT_TYPE,
        "headers": _headers(name),
        "payload": {"schemaFormat": AVRO, "schema": json.loads(schema_text(name))},
        "bindings": {
            "kafka": {
                "key": {"type": ["string", "null"], "description": keys},
                "schemaIdLocation": "payload",
                "schemaIdPayloadEncoding": "confluent",
                "schemaLookupStrategy": "TopicRecordNameStrategy",
                "bindingVersion": BINDING,
            }
        },
        "x-schema-id": SCHEMA_IDS[name],
    }
    example: Mapping[str, Any] | None = load()["records"].get(name)
    if example is not None:
        message["examples"] = [{"name": f"{name} of a run", "payload": example["value"]}]
    return message


def _headers(name: str) -> dict[str, Any]:
    """The headers of a record: those of a CloudEvent in binary mode."""
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["ce_specversion", "ce_type", "ce_source", "ce_id", "content-type"],
        "properties": {
            "ce_specversion": {**text, "const": "1.0"},
            "ce_type": {**text, "const": f"flexcapture.{name}"},
            "ce_source": {**text, "description": "the role or command, as /flexcapture/tracker"},
            "ce_id": {**text, "description": "the same for the same record"},
            "ce_time": {**text, "format": "date-time", "description": "when the event happened"},
            "content-type": {**text, "const": CONTENT_TYPE},
        },
    }
