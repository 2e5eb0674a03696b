"""The columns of a topic's files, and records as columns. Pure.

A topic has one table. Its columns are the fields of all its record types in all their versions, by
name, and columns that begin with an underscore. Each may be null: a record has the fields of its
own type and version.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.lake.partition import LogRecord
from schemas.codec import Undecodable, decode_as_written, id_of, schema_text, versions
from schemas.topics import Topic

TIME = pa.timestamp("ms", tz="UTC")

META = (
    pa.field("_topic", pa.string()),
    pa.field("_partition", pa.int32()),
    pa.field("_offset", pa.int64()),
    pa.field("_timestamp", TIME),
    pa.field("_key", pa.string()),
    pa.field("_schema_id", pa.int64()),
    pa.field("_type", pa.string()),
    pa.field("_undecoded", pa.binary()),
)
"""The columns of every table, after those of the fields. `_undecoded`: the whole value, if no
schema is known for it."""

_PRIMITIVES: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "enum": pa.string(),
    "bytes": pa.binary(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
}
_WIDER = {frozenset({pa.int32(), pa.int64()}): pa.int64()}


def fields_of(topic: Topic) -> tuple[pa.Field, ...]:
    """Return the columns of a topic's records. Raise `ValueError` if fields of the same name have
    incompatible types."""
    together: pa.DataType = pa.struct([])
    for name in topic.records:
        for version in range(1, len(versions(name)) + 1):
            together = union(together, arrow_type(json.loads(schema_text(name, version))))
    return tuple(together)


def arrow_type(schema: Any, named: dict[str, pa.DataType] | None = None) -> pa.DataType:
    """Return the Arrow type of a parsed Avro schema. `named`: the types that were defined earlier
    in the schema. Raise `ValueError` for a schema that our records do not use."""
    named = {} if named is None else named
    if isinstance(schema, list):
        some = [each for each in schema if each != "null"]
        if len(some) != 1:
            raise ValueError(f"a union of several types: {schema}")
        return arrow_type(some[0], named)
    if isinstance(schema, str):
        found = _PRIMITIVES.get(schema) or named.get(schema.rpartition(".")[2])
        if found is None:
            raise ValueError(f"an unknown type: {schema}")
        return found
    return _complex_type(schema, named)


def _complex_type(schema: Mapping[str, Any], named: dict[str, pa.DataType]) -> pa.DataType:
    if schema.get("logicalType") == "timestamp-millis":
        return TIME
    match schema["type"]:
        case "record":
            made = pa.struct([(f["name"], arrow_type(f["type"], named)) for f in schema["fields"]])
            named[schema["name"].rpartition(".")[2]] = made
            return made
        case "array":
            return pa.list_(arrow_type(schema["items"], named))
        case "map":
            return pa.map_(pa.string(), arrow_type(schema["values"], named))
        case other:
            return arrow_type(other, named)


def union(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Return the type that holds values of both: structs get the fields of both. Raise
    `ValueError` if there is none."""
    if one == other:
        return one
    kinds = pa.types
    if kinds.is_struct(one) and kinds.is_struct(other):
        merged = {field.name: field.type for field in one}
        for field in other:
            has = field.name in merged
            merged[field.name] = union(merged[field.name], field.type) if has else field.type
        return pa.struct(list(merged.items()))
    if kinds.is_list(one) and kinds.is_list(other):
        return pa.list_(union(one.value_type, other.value_type))
    if kinds.is_map(one) and kinds.is_map(other):
        return pa.map_(pa.string(), union(one.item_type, other.item_type))
    if (wider := _WIDER.get(frozenset({one, other}))) is not None:
        return wider
    raise ValueError(f"no type for both {one} and {other}")


class LakeTable:
    """The table of a topic. `name`: the topic's name in Kafka, with the prefix."""

    def __init__(self, topic: Topic, name: str) -> None:
        fields = fields_of(topic)
        self._name = name
        self._type = pa.struct(fields)
        self.schema = pa.schema([*fields, *META])

    def batch(self, partition: int, records: Sequence[LogRecord]) -> pa.RecordBatch:
        """Return records of one partition as columns."""
        decoded = [_decoded(record.value) for record in records]
        values = pa.array([fields for _, _, fields, _ in decoded], self._type)
        meta: Iterable[Sequence[Any]] = (
            [self._name] * len(records),
            [partition] * len(records),
            [record.offset for record in records],
            [record.timestamp for record in records],
            [_text(record.key) for record in records],
            [schema_id for schema_id, _, _, _ in decoded],
            [name for _, name, _, _ in decoded],
            [raw for _, _, _, raw in decoded],
        )
        columns = [pa.array(each, f.type) for each, f in zip(meta, META, strict=True)]
        return pa.RecordBatch.from_arrays([*values.flatten(), *columns], schema=self.schema)


_Decoded = tuple[int | None, str | None, dict[str, Any], bytes | None]


def _decoded(value: bytes | None) -> _Decoded:
    """Return schema id, type, fields, and the value itself if it is not decoded."""
    if value is None:
        return None, None, {}, None
    try:
        name, fields = decode_as_written(value)
    except Undecodable:
        return id_of(value), None, {}, value
    return id_of(value), name, fields, None


def _text(key: bytes | None) -> str | None:
    return None if key is None else key.decode("utf-8", "backslashreplace")
