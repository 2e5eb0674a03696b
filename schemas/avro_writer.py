"""Write records as Avro, straight from the dataclasses.

fastavro reads the records. It also wrote them until measurements showed that a sixth of a tracker's
work on an event was to build dictionaries for it and to walk through them. This module writes the
same bytes (`tests/schemas`), and supports the parts of Avro that our schemas use. Nested records
that never change, and that many versions share, are written only once (`writer_of(..., shared)`).

The writer of a record is Python source that is made from its schema, as the standard library makes
the methods of a dataclass: a third faster than a loop over the fields.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from keyword import iskeyword
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
        write = _writer_of_fields(
            [(field["name"], *self._plain(field["type"])) for field in schema["fields"]]
        )
        made = _kept(write) if schema["name"] in self._shared else write
        self._named[schema["name"]] = made
        return made

    def _plain(self, schema: Any) -> tuple[Any, bool]:
        """Return the name of a plain type or else the writer of another, and whether the value may
        be null."""
        optional = isinstance(schema, list) and len(schema) == 2 and schema[0] == "null"
        kind = schema[1] if optional else schema
        if isinstance(kind, dict) and isinstance(kind["type"], str):
            kind = kind["type"]
        if isinstance(kind, str) and kind in _STATEMENTS:
            return kind, optional
        return self.writer(schema), False

    def _enum(self, schema: Mapping[str, Any]) -> Write:
        symbols = {symbol: _LONGS[number] for number, symbol in enumerate(schema["symbols"])}

        def write(value: str, out: bytearray) -> None:
            out += symbols[value]

        self._named[schema["name"]] = write
        return write


_STATEMENTS = {
    "string": "data = value.encode(); out += longs[len(data)]; out += data",
    "bytes": "out += longs[len(value)]; out += value",
    "long": "out += longs[value]",
    "int": "out += longs[value]",
    "boolean": "out.append(bool(value))",
}
"""Python statements that append `value` of a plain type to `out`."""


def _writer_of_fields(fields: Sequence[tuple[str, Any, bool]]) -> Write:
    """Return the writer of a record. `fields`: name, plain type or writer, whether it may be
    null. Raise `ValueError` for a name that no attribute can have."""
    writers: dict[str, Write] = {}
    lines: list[str] = []
    for name, kind, optional in fields:
        if not name.isidentifier() or iskeyword(name):
            raise ValueError(f"a field cannot have the name {name!r}")
        lines.append(f"value = record.{name}")
        if not isinstance(kind, str):
            writers[f"write_{name}"] = kind
            lines.append(f"write_{name}(value, out)")
        elif optional:
            lines += ["if value is None: out += null", f"else: out += there; {_STATEMENTS[kind]}"]
        else:
            lines.append(_STATEMENTS[kind])
    return _compiled("record", lines, writers)


def _compiled(argument: str, lines: Sequence[str], writers: Mapping[str, Write]) -> Write:
    """Return a function of `argument` and `out` with these statements."""
    known: dict[str, Any] = {"longs": _LONGS, "null": _LONGS[0], "there": _LONGS[1], **writers}
    source = "\n    ".join([f"def write({argument}, out):", *lines, "return None"])
    exec(source, known)  # noqa: S102 - made of our own schemas
    made: Write = known["write"]
    return made


_PLAIN = {kind: _compiled("value", [statement], {}) for kind, statement in _STATEMENTS.items()}


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
