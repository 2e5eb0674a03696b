"""Decide whether data written with one Avro schema can be read with another, by the rules of
avro.apache.org, "Specification", section "Schema Resolution". Pure."""

from collections.abc import Mapping
from typing import Any

from schemas.registry.avro_schemas import AvroSchema

_PROMOTED: Mapping[str, frozenset[str]] = {
    "long": frozenset({"int"}),
    "float": frozenset({"int", "long"}),
    "double": frozenset({"int", "long", "float"}),
    "string": frozenset({"bytes"}),
    "bytes": frozenset({"string"}),
}
"""By the reader's type: the other types that it can read."""


def incompatibilities(reader: AvroSchema, writer: AvroSchema) -> list[str]:
    """Return the reasons why a reader with the schema `reader` cannot read all data of `writer`."""
    return _Comparison(reader.named, writer.named).problems(reader.root, writer.root, "/")


class _Comparison:
    def __init__(self, readers: Mapping[str, Any], writers: Mapping[str, Any]) -> None:
        self._readers = readers
        self._writers = writers
        self._known: dict[tuple[str, str], list[str]] = {}

    def problems(self, reader: Any, writer: Any, path: str) -> list[str]:
        """Return the problems at `path` and below it."""
        if isinstance(writer, list):
            return [each for branch in writer for each in self.problems(reader, branch, path)]
        if isinstance(reader, list):
            if any(not self.problems(branch, writer, path) for branch in reader):
                return []
            return [f"{path}: the reader's union has no type for {_name(writer)}"]
        reader, writer = _resolved(reader, self._readers), _resolved(writer, self._writers)
        kind, written = _kind(reader), _kind(writer)
        if kind != written:
            if written in _PROMOTED.get(kind, ()):
                return []
            return [f"{path}: the reader's type is {kind}, the writer's {written}"]
        return self._same_kind(kind, reader, writer, path)

    def _same_kind(self, kind: str, reader: Any, writer: Any, path: str) -> list[str]:
        match kind:
            case "array":
                return self.problems(reader["items"], writer["items"], f"{path}items/")
            case "map":
                return self.problems(reader["values"], writer["values"], f"{path}values/")
            case "enum" | "fixed" | "record":
                if not _is_same_name(reader, writer):
                    return [f"{path}: the reader's name is {reader['name']}, not {writer['name']}"]
                return self._same_name(kind, reader, writer, path)
            case _:
                return []

    def _same_name(self, kind: str, reader: Any, writer: Any, path: str) -> list[str]:
        if kind == "record":
            return self._records(reader, writer, path)
        if kind == "fixed":
            same = reader["size"] == writer["size"]
            return [] if same else [f"{path}: the sizes of {reader['name']} differ"]
        absent = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
        if not absent or "default" in reader:
            return []
        return [f"{path}: the reader's {reader['name']} has no {', '.join(absent)}"]

    def _records(self, reader: Any, writer: Any, path: str) -> list[str]:
        pair = (reader["name"], writer["name"])
        if pair not in self._known:
            self._known[pair] = []  # for a record within itself
            written = {field["name"]: field for field in writer["fields"]}
            self._known[pair] = [
                each for f in reader["fields"] for each in self._field(f, written, path)
            ]
        return self._known[pair]

    def _field(self, field: Any, written: Mapping[str, Any], path: str) -> list[str]:
        for name in (field["name"], *field.get("aliases", ())):
            if name in written:
                return self.problems(field["type"], written[name]["type"], f"{path}{name}/")
        if "default" in field:
            return []
        return [f"{path}{field['name']}: the writer has no such field, and it has no default"]


def _resolved(schema: Any, named: Mapping[str, Any]) -> Any:
    return named.get(schema, schema) if isinstance(schema, str) else schema


def _kind(schema: Any) -> str:
    kind = schema if isinstance(schema, str) else str(schema["type"])
    return "record" if kind == "error" else kind


def _name(schema: Any) -> str:
    return schema if isinstance(schema, str) else str(schema.get("name", schema["type"]))


def _is_same_name(reader: Any, writer: Any) -> bool:
    space = reader["name"].rpartition(".")[0]
    aliases = [a if "." in a or not space else f"{space}.{a}" for a in reader.get("aliases", ())]
    return writer["name"] in (reader["name"], *aliases)
