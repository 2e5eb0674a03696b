"""Make instances of dataclasses from the dictionaries and lists that fastavro reads. Pure."""

import json
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import fastavro
from fastavro.types import Schema


def parsed(schema: Any) -> Schema:
    """Return a schema in JSON, as text or as a value, in the form in which fastavro needs it."""
    plain = json.loads(schema) if isinstance(schema, str) else schema
    return fastavro.parse_schema(without_logical_types(plain))


def without_logical_types(schema: Any) -> Any:
    """Return the schema with times as plain integers. The bytes are the same and faster to read."""
    if isinstance(schema, dict):
        return {k: without_logical_types(v) for k, v in schema.items() if k != "logicalType"}
    if isinstance(schema, list):
        return [without_logical_types(v) for v in schema]
    return schema


def _plain_type(hint: Any) -> Any:
    """Return `X` for `X | None`, and any other type as it is."""
    if isinstance(hint, types.UnionType):
        return next(arg for arg in typing.get_args(hint) if arg is not type(None))
    return hint


def _reader_of(hint: Any) -> Callable[[Any], Any] | None:
    inner = _plain_type(hint)
    convert: Callable[[Any], Any] | None = None
    args = typing.get_args(inner)
    if is_dataclass(inner):
        convert = reader_of_record(inner)
    elif typing.get_origin(inner) is tuple:
        each = _reader_of(args[0])
        convert = tuple if each is None else lambda values: tuple([each(v) for v in values])
    elif typing.get_origin(inner) is Mapping and (each_value := _reader_of(args[1])):
        convert = lambda values: {k: each_value(v) for k, v in values.items()}  # noqa: E731
    if convert is not None and inner is not hint:
        some = convert
        return lambda value: None if value is None else some(value)
    return convert


def reader_of_record(cls: Any) -> Callable[[Any], Any]:
    """Return a function that makes an instance of a dataclass from the dictionary of its fields.

    Nested dataclasses, tuples and mappings of them are made too. A missing field raises `KeyError`.
    """
    hints = typing.get_type_hints(cls)
    steps = [(f.name, _reader_of(hints[f.name])) for f in fields(cls)]

    def read(plain: Any) -> Any:
        return cls(*[plain[name] if step is None else step(plain[name]) for name, step in steps])

    return read
