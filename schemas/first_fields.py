"""Read some of a record's first fields from its bytes, without decoding the rest. Pure.

This runs for every record that is sent, so it must take about a microsecond.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import fastavro
from fastavro.types import Schema

FirstFields = Callable[[bytes], Sequence[Any]]
"""Returns the requested fields of a record's body, in the requested order: text as bytes in UTF-8,
numbers, and None for null. For bytes that are not such a record it may raise any exception."""

_TEXT, _NUMBER = range(2)
_KINDS = {"string": _TEXT, "int": _NUMBER, "long": _NUMBER}
_Step = tuple[int, int, bool]
"""Position of the field among the requested ones, or -1; its kind; whether it may be null."""


def first_fields(schema: Mapping[str, Any], wanted: Sequence[str], start: int) -> FirstFields:
    """Return a function that reads the fields `wanted`, texts and numbers, from bytes in which a
    record with this schema begins at `start`. A field that the schema does not have is None.

    `schema`: parsed by fastavro, without logical types.
    """
    fields: list[Any] = schema["fields"]
    count = max((n for n, field in enumerate(fields, 1) if field["name"] in wanted), default=0)
    steps = [_step(field, wanted) for field in fields[:count]]
    simple = [step for step in steps if step is not None]
    if len(simple) == len(steps):
        return lambda value: _read(value, simple, start, [None] * len(wanted))
    beginning = fastavro.parse_schema({**schema, "fields": fields[:count]}, _force=True)
    return lambda value: _by_fastavro(value, beginning, start, wanted)


def _step(field: Mapping[str, Any], wanted: Sequence[str]) -> _Step | None:
    """Return the step for a field, None if it has a type that `_read` does not know."""
    kind, optional = field["type"], False
    if isinstance(kind, list) and len(kind) == 2 and kind[0] == "null":
        kind, optional = kind[1], True
    if isinstance(kind, dict):
        kind = kind["type"]
    if not isinstance(kind, str) or kind not in _KINDS:
        return None
    place = wanted.index(field["name"]) if field["name"] in wanted else -1
    return place, _KINDS[kind], optional


def _read(value: bytes, steps: Sequence[_Step], at: int, found: list[Any]) -> Sequence[Any]:
    """Put the wanted fields into `found`, and return it. All fields are texts and numbers."""
    for place, kind, optional in steps:
        if optional:
            at += 1
            if value[at - 1] == 0:
                continue
        number = value[at]
        at += 1
        if number > 0x7F:
            number, at = _number(value, at, number & 0x7F)
        if kind == _NUMBER:
            if place >= 0:
                found[place] = number >> 1 ^ -(number & 1)  # zigzag
            continue
        begin = at
        at += number >> 1
        if place >= 0:
            found[place] = value[begin:at]
    return found


def _number(value: bytes, at: int, number: int) -> tuple[int, int]:
    """Return a number, of which `number` has the lowest 7 bits, and the position after it."""
    shift = 7
    while (byte := value[at]) > 0x7F:
        number |= (byte & 0x7F) << shift
        at += 1
        shift += 7
    return number | byte << shift, at + 1


def _by_fastavro(
    value: bytes, beginning: Schema, start: int, wanted: Sequence[str]
) -> Sequence[Any]:
    body = io.BytesIO(value)
    body.seek(start)
    read: Any = fastavro.schemaless_reader(body, beginning, None)
    found = [read.get(name) for name in wanted]
    return [each.encode() if isinstance(each, str) else each for each in found]
