"""The body of a request that contains a schema. Pure."""

import json
from dataclasses import dataclass
from typing import Any

from schemas.registry.avro_schemas import AvroSchema, InvalidSchema, parse
from schemas.registry.catalog import RegistryRefusal

_OTHER_TYPES = ("JSON", "PROTOBUF")
_ANNOTATIONS = ("references", "metadata", "ruleSet")


@dataclass(frozen=True, slots=True)
class SchemaRequest:
    """The part of a request that describes a schema.

    `schema`: None for a schema of a language other than Avro. `is_annotated`: it comes with
    references, metadata or rules, which no bundled schema has. `schema_id`: the id that a
    registration asks for.
    """

    schema: AvroSchema | None
    is_annotated: bool
    schema_id: int | None


def schema_request(body: bytes) -> SchemaRequest:
    """Return the content of a body. Raise `RegistryRefusal`."""
    asked = _object(body)
    schema_id = asked.get("id")
    return SchemaRequest(
        schema=_schema(asked),
        is_annotated=any(asked.get(name) for name in _ANNOTATIONS),
        schema_id=schema_id if isinstance(schema_id, int) and schema_id >= 0 else None,
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RegistryRefusal(400, 400, "the body is not JSON") from error
    if not isinstance(asked, dict):
        raise RegistryRefusal(400, 400, "the body is not a JSON object")
    return asked


def _schema(asked: dict[str, Any]) -> AvroSchema | None:
    kind = asked.get("schemaType") or "AVRO"
    if kind in _OTHER_TYPES:
        return None
    if kind != "AVRO":
        raise RegistryRefusal(422, 42201, f"Invalid schema type {kind}")
    text = asked.get("schema")
    if not isinstance(text, str) or not text.strip():
        raise RegistryRefusal(422, 42201, "Empty schema")
    try:
        return parse(text)
    except InvalidSchema as error:
        raise RegistryRefusal(422, 42201, f"Invalid schema: {error}") from error
