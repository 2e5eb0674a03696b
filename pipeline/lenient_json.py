"""Read all JSON text that JavaScript or Python accepts. Pure.

Fast readers (orjson, msgspec) refuse text that `JSON.parse` or Python's `json` accepts, and that
real attributes contain: half of a surrogate pair (`"\\ud83d"`), numbers out of range (`1e999`),
`NaN`, a byte order mark, UTF-16, whole numbers of any length, deep nesting. The strict reader is
tried first. Text that it refuses is read leniently, with the invalid parts replaced:

- U+FFFD for characters that UTF-8 cannot represent;
- null for a number that is not finite, and for containers more than `MAX_DEPTH` levels deep, if
  Python's reader cannot take them;
- a float for a whole number of more than 64 bits.

So a value that was read can be written by any JSON writer, apart from its depth (`written`).
"""

import json
import math
import re
from typing import Any

import orjson

from schemas.fast_dataclass import dataclass

MAX_DEPTH = 200
"""Containers nested deeper than this are dropped if they cannot be read or written whole."""

REPLACEMENT = "\ufffd"

_BYTE_ORDER_MARK = "\ufeff"
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair
    r"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_MAY_HAVE_HALVES = re.compile(r"\\u[dD][89a-fA-F]")
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_MAX_CHARACTERS = 20
"""The greatest length of a whole number of 64 bits, with its sign."""
_SMALLEST, _GREATEST = -(2**63), 2**64 - 1


class Unreadable(ValueError):
    """Neither JavaScript nor Python accepts the text as JSON; the message says why."""


@dataclass(frozen=True, slots=True)
class Read:
    """A value that was read. `is_strict`: any JSON reader accepts the text as it is."""

    value: Any
    is_strict: bool


def loads(text: str | bytes) -> Any:
    """Return the value of a JSON text. Raise `Unreadable`."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return lenient(text)


def read(text: str | bytes) -> Read:
    """Return the value of a JSON text, and whether it is strict JSON. Raise `Unreadable`."""
    try:
        return Read(orjson.loads(text), is_strict=True)
    except orjson.JSONDecodeError:
        return Read(lenient(text), is_strict=False)


def lenient(text: str | bytes) -> Any:
    """Return the value of a JSON text that the strict reader refused. Raise `Unreadable`."""
    plain = _without_halves(_decoded(text))
    try:
        try:
            return _parse(plain)
        except RecursionError:
            return _parse(_without_depths(plain))
    except (ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from error


def written(value: Any) -> bytes:
    """Return a value that was read as strict JSON, without the parts that are nested too deep to
    be written."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return orjson.dumps(_cut(value, MAX_DEPTH))


def _decoded(text: str | bytes) -> str:
    if isinstance(text, str):
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    else:
        whole = text.decode(json.detect_encoding(text), "replace")
    return whole.removeprefix(_BYTE_ORDER_MARK)


def _parse(text: str) -> Any:
    # Not JSON: a control character in a string. Some senders forget to escape it.
    return json.loads(
        text, strict=False, parse_int=_whole_number, parse_float=_number, parse_constant=_none
    )


def _whole_number(digits: str) -> int | float | None:
    if len(digits) <= _MAX_CHARACTERS:
        number = int(digits)
        if _SMALLEST <= number <= _GREATEST:
            return number
    return _number(digits)


def _number(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _none(_: str) -> None:
    """Return None for NaN, Infinity and -Infinity."""


def _without_halves(text: str) -> str:
    """Return the text with U+FFFD for each escaped half of a surrogate pair."""
    if _MAY_HAVE_HALVES.search(text) is None:
        return text
    return _ESCAPE.sub(lambda m: "\\ufffd" if m["half"] else m[0], text)


def _without_depths(text: str) -> str:
    """Return the text with null for the containers deeper than `MAX_DEPTH`. The kinds of brackets
    are not compared, so invalid JSON within a dropped container is accepted."""
    kept: list[str] = []
    depth = start = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        mark = found[0]
        if mark in "[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                kept.append(text[start : found.start()])
        elif mark in "]}":
            depth -= 1
            if depth == MAX_DEPTH:
                kept.append("null")
                start = found.end()
    if depth > MAX_DEPTH:
        return text  # a bracket is not closed: invalid JSON
    return "".join((*kept, text[start:]))


def _cut(value: Any, levels: int) -> Any:
    if isinstance(value, dict):
        return {k: _cut(v, levels - 1) for k, v in value.items()} if levels else None
    if isinstance(value, list):
        return [_cut(v, levels - 1) for v in value] if levels else None
    return value
