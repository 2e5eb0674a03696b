"""The Avro schema of a union, made of the schemas of its record types. Pure."""

import json
from typing import Any

from schemas.codec import schema_text
from schemas.registry.avro_schemas import without_docs
from schemas.unions import UnionVersion

_NAMED = ("record", "enum", "fixed")


def union_text(union: UnionVersion) -> str:
    """Return the schema in JSON. It needs no other schema: not every client can resolve references.

    A type that several records contain is defined in the first, and named in the others, because
    Avro allows only one definition of a name. Raise `ValueError` if the definitions differ.
    """
    defined: dict[str, Any] = {}
    members = [json.loads(schema_text(name, n)) for name, n in union.members.items()]
    return json.dumps([_defined_once(each, "", defined) for each in members], separators=(",", ":"))


def _defined_once(schema: Any, namespace: str, defined: dict[str, Any]) -> Any:
    """Return the schema with the names of `defined` instead of types that it has already. Add its
    own types to `defined`, by full name."""
    if isinstance(schema, list):
        return [_defined_once(branch, namespace, defined) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    if schema["type"] in _NAMED:
        namespace = schema.get("namespace", namespace)
        full_name = f"{namespace}.{schema['name']}"
        plain = {k: v for k, v in without_docs(schema).items() if k != "namespace"}
        if full_name in defined:
            if defined[full_name] != plain:
                raise ValueError(f"{full_name} has two definitions in one union")
            return full_name
        defined[full_name] = plain
    nested = {
        k: _defined_once(schema[k], namespace, defined) for k in ("items", "values") if k in schema
    }
    if "fields" in schema:
        nested["fields"] = [
            {**field, "type": _defined_once(field["type"], namespace, defined)}
            for field in schema["fields"]
        ]
    return schema | nested
