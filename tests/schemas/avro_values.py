"""Plain values of our Avro schemas: Hypothesis strategies for all, and one of each."""

import json
from typing import Any

from hypothesis import strategies as st

from schemas.codec import schema_text

TEXT = st.text(max_size=8)
PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "string": TEXT,
    "bytes": st.binary(max_size=16),
}


def values_of(name: str, version: int | None = None) -> st.SearchStrategy[Any]:
    """Plain values of the record `name`: dictionaries, lists and primitives."""
    return _of(json.loads(schema_text(name, version)), {})


def _of(schema: Any, named: dict[str, Any]) -> st.SearchStrategy[Any]:
    if isinstance(schema, list):
        return st.one_of([_of(branch, named) for branch in schema])
    if isinstance(schema, str):
        short = schema.removeprefix("flexcapture.")
        return named[short] if short in named else PRIMITIVES[schema]
    match schema["type"]:
        case "record":
            fields = {field["name"]: _of(field["type"], named) for field in schema["fields"]}
            named[schema["name"]] = st.fixed_dictionaries(fields)
            return named[schema["name"]]
        case "enum":
            named[schema["name"]] = st.sampled_from(schema["symbols"])
            return named[schema["name"]]
        case "array":
            return st.lists(_of(schema["items"], named), max_size=3)
        case "map":
            return st.dictionaries(TEXT, _of(schema["values"], named), max_size=3)
        case inner:
            return _of(inner, named)


def filled(name: str, version: int | None = None) -> Any:
    """A plain value of the record `name`, with something in every part of it."""
    return _filled(json.loads(schema_text(name, version)), {})


def _filled(schema: Any, named: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return _filled(schema[-1], named)
    kind = schema if isinstance(schema, str) else schema["type"]
    if kind in ("record", "enum"):
        named[f"flexcapture.{schema['name']}"] = named[schema["name"]] = schema
    match kind:
        case "record":
            return {field["name"]: _filled(field["type"], named) for field in schema["fields"]}
        case "array":
            return [_filled(schema["items"], named)]
        case "map":
            return {"k": _filled(schema["values"], named)}
        case "enum":
            return schema["symbols"][0]
        case _ if kind in named:
            return _filled(named[kind], named)
    return {"long": 1_700_000_000_123, "int": 7, "boolean": True, "bytes": b"b"}.get(kind, "text")
