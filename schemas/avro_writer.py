"""Write records as Avro, straight from the dataclasses.

fastavro reads the records. It also wrote them until measurements showed that a sixth of a tracker's
work on an event was to build dictionaries for it and to walk through them. This module writes the
same bytes (`tests/schemas`), and supports the parts of Avro that our schemas use. Nested records
that never change, and that many versions share, are written only once (`writer_of(..., shared)`).
"""

from collections.abc import Callable, Collection, Mapping
from operator import attrgetter
from typing import Any

Write = Callable[[Any, bytearray], None]
"""Appends a value in Avro's binary encoding to the bytes."""

_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
_KNOWN_LONGS, _KNOWN_PARTS = 1 << 16, 1 << 13


def writer_of(schema: Any, shared: Collection[str] = ()) -> Write:
    """Return a function that appends a value of this schema (parsed JSON) to bytes.

    Records are objects with the fields as attributes. `shared`: names, without namespace, of
    records that must never change; their bytes are cached for a while, together with the objects.
    The returned function raises if a value has the wrong type; part of the value may then already
    be appended.
    """
    return _Compiler(shared).writer(schema)


class _Longs(dict[int, bytes]):
    """Cache of encoded integers: zigzag, in groups of seven bits. Times, lengths and versions
    recur."""

    def __missing__(self, number: int) -> bytes:
        if not _LEAST <= number <= _MOST:
            raise OverflowError(f"{number} is not a 64-bit number")
        rest, out = (number << 1) ^ (number >> 63), bytearray()
        while rest > 0x7F:
            out.append(rest & 0x7F | 0x80)
            rest >>= 7
        out.append(rest)
        if len(self) >= _KNOWN_LONGS:
            self.clear()
        self[number] = written = bytes(out)
        return written


class _Names(dict[str, bytes]):
    """Cache of encoded keys of maps, of which there are few."""

    def __missing__(self, name: str) -> bytes:
        data = name.encode()
        if len(self) >= _KNOWN_PARTS:
            self.clear()
        self[name] = written = _LONGS[len(data)] + data
        return written


_LONGS, _NAMES = _Longs(), _Names()
_END = _LONGS[0]


class _Compiler:
    """Builds the writers of one schema. Later parts of it can use a named type by its name."""

    def __init__(self, shared: Collection[str]) -> None:
        self._shared = shared
        self._named: dict[str, Write] = {}

    def writer(self, schema: Any) -> Write:
        if isinstance(schema, list):
            return self._optional(schema)
        if isinstance(schema, str):
            return self._named.get(schema) or _PLAIN[schema]
        match schema["type"]:
            case "record":
                return self._record(schema)
            case "array":
                return _array(self.writer(schema["items"]))
            case "map":
                return _map(self.writer(schema["values"]))
            case "enum":
                return self._enum(schema)
            case inner:
                return self.writer(inner)

    def _optional(self, schemas: list[Any]) -> Write:
        if len(schemas) != 2 or schemas[0] != "null":
            raise ValueError(f"a union must be of null and one other type, not {schemas}")
        some = self.writer(schemas[1])
        null, there = _LONGS[0], _LONGS[1]

        def write(value: Any, out: bytearray) -> None:
            if value is None:
                out += null
            else:
                out += there
                some(value, out)

        return write

    def _record(self, schema: Mapping[str, Any]) -> Write:
        steps = [(attrgetter(f["name"]), self.writer(f["type"])) for f in schema["fields"]]

        def write(record: Any, out: bytearray) -> None:
            for field, write_field in steps:
                write_field(field(record), out)

        made = _kept(write) if schema["name"] in self._shared else write
        self._named[schema["name"]] = made
        return made

    def _enum(self, schema: Mapping[str, Any]) -> Write:
        symbols = {symbol: _LONGS[number] for number, symbol in enumerate(schema["symbols"])}

        def write(value: str, out: bytearray) -> None:
            out += symbols[value]

        self._named[schema["name"]] = write
        return write


def _kept(write: Write) -> Write:
    """Return `write` with a cache, for objects that never change. The key is an object's identity,
    which stays unique because the cache also holds the object."""
    known: dict[int, tuple[Any, bytes]] = {}

    def write_once(value: Any, out: bytearray) -> None:
        found = known.get(id(value))
        if found is None:
            part = bytearray()
            write(value, part)
            if len(known) >= _KNOWN_PARTS:
                known.clear()
            known[id(value)] = found = value, bytes(part)
        out += found[1]

    return write_once


def _array(write_item: Write) -> Write:
    def write(values: Collection[Any], out: bytearray) -> None:
        if values:
            out += _LONGS[len(values)]
            for value in values:
                write_item(value, out)
        out += _END

    return write


def _map(write_value: Write) -> Write:
    def write(values: Mapping[str, Any], out: bytearray) -> None:
        if values:
            out += _LONGS[len(values)]
            for name, value in values.items():
                out += _NAMES[name]
                write_value(value, out)
        out += _END

    return write


def _string(value: str, out: bytearray) -> None:
    data = value.encode()
    out += _LONGS[len(data)]
    out += data


def _bytes(value: bytes, out: bytearray) -> None:
    out += _LONGS[len(value)]
    out += value


def _long(value: int, out: bytearray) -> None:
    out += _LONGS[value]


def _boolean(value: bool, out: bytearray) -> None:
    out.append(bool(value))


_PLAIN: Mapping[str, Write] = {
    "string": _string,
    "bytes": _bytes,
    "long": _long,
    "int": _long,
    "boolean": _boolean,
}
