"""Avro schemas as a registry compares them: white space, the order of attributes, and the way in
which a type or its name is written do not matter. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import fastavro

_NESTED = ("items", "values")


class InvalidSchema(ValueError):
    """The text is not an Avro schema."""


@dataclass(frozen=True, slots=True)
class AvroSchema:
    """A schema in which every name is a full name, and every type is written in its short form.

    `root`: the schema. `named`: its records, enums and fixed types by full name.
    """

    root: Any
    named: Mapping[str, Any]

    def canonical(self, *, with_docs: bool = True) -> str:
        """Return the text that is equal for equal schemas."""
        return json.dumps(self.root if with_docs else without_docs(self.root), sort_keys=True)


def parse(text: str) -> AvroSchema:
    """Return the schema that `text` defines, in JSON. Raise `InvalidSchema`."""
    try:
        plain = json.loads(text, object_hook=_without_private)
        named: dict[str, Any] = {}
        return AvroSchema(_short(fastavro.parse_schema(plain, {}), named), named)
    except Exception as error:  # with an invalid schema, fastavro can raise any exception
        raise InvalidSchema(f"{type(error).__name__}: {error}") from error


@cache
def comparable(text: str) -> str:
    """Return a text that is equal for the texts of schemas that differ in documentation only. A
    text that is not a schema is returned unchanged."""
    try:
        return parse(text).canonical(with_docs=False)
    except InvalidSchema:
        return text


@cache
def with_docs(text: str) -> str:
    """Return a text that is equal for the texts of equal schemas, documentation included."""
    try:
        return parse(text).canonical()
    except InvalidSchema:
        return text


def without_docs(schema: Any) -> Any:
    """Return the schema without documentation, which may change under one id."""
    if isinstance(schema, dict):
        return {key: without_docs(value) for key, value in schema.items() if key != "doc"}
    return [without_docs(each) for each in schema] if isinstance(schema, list) else schema


def _without_private(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes without those that fastavro keeps for itself."""
    return {name: value for name, value in attributes.items() if not name.startswith("__")}


def _short(schema: Any, named: dict[str, Any]) -> Any:
    """Return a parsed schema in its short form, and put its named types into `named`."""
    if isinstance(schema, str):
        return schema
    if isinstance(schema, list):
        return [_short(branch, named) for branch in schema]
    kept = {name: value for name, value in schema.items() if not name.startswith("__")}
    if kept.keys() == {"type"} and isinstance(kept["type"], str):
        return kept["type"]
    kept |= {name: _short(kept[name], named) for name in _NESTED if name in kept}
    if kept["type"] in ("record", "error"):
        kept["fields"] = [_short_field(field, named) for field in kept["fields"]]
    if "name" in kept:
        named[kept["name"]] = kept
    return kept


def _short_field(field: Mapping[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    kept = {**field, "type": _short(field["type"], named)}
    if kept.get("order") == "ascending":  # the default
        del kept["order"]
    return kept
