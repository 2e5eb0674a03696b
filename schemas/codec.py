"""Encode and decode records: Avro in Confluent's wire format (a zero byte, the schema's id in four
bytes, big-endian, then the Avro body; docs.confluent.io, "Wire format").

A record is written with the fixed id of its schema (`ids`), or with the id that a schema registry
has for it. Records with any of these ids can be read.
"""

import io
import json
import struct
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields
from typing import Any

import fastavro
from fastavro.schema import to_parsing_canonical_form
from fastavro.types import Schema

from . import records
from .avro_writer import writer_of
from .dataclass_reader import parsed, reader_of_record
from .ids import AVRO_DIR, EARLIER_IDS, OUR_IDS, SCHEMA_IDS, schema_text, versions
from .unions import UNION_VERSIONS

__all__ = [
    "AVRO_DIR", "EARLIER_IDS", "HEADER_BYTES", "OUR_IDS", "SCHEMA_IDS", "Undecodable", "add_record",
    "current_heads", "decode", "decode_as_written", "encode", "head_to_write", "id_of", "read_ids",
    "schema_text", "type_of", "versions", "write_ids", "writer_schema",
]  # fmt: skip

_HEADER = struct.Struct(">bI")
HEADER_BYTES = _HEADER.size
"""Bytes before the Avro body."""


class Undecodable(ValueError):
    """The bytes are not a record with one of our schemas. The text gives the reason."""


def writer_schema(schema_id: int) -> Schema | None:
    """Return the parsed schema with this id, without logical types, or None if there is none."""
    found = _READ_BY.get(schema_id)
    return None if found is None else found[0]


def encode(record: Any) -> bytes:
    """Return the record in wire format. Raise `KeyError` for a class without a schema."""
    header, write = _WRITE_BY[type(record).__name__]
    out = bytearray(header)
    write(record, out)
    return bytes(out)


def decode(data: bytes | None) -> Any:
    """Return the record in `data`, an instance of a class of `records`. It may have been written
    with its own schema, or with the union of a topic. Raise `Undecodable`."""
    name, schema_id, body = _begun(data)
    try:
        plain = fastavro.schemaless_reader(body, *_READ_BY[schema_id])
        return _FROM_PLAIN[name](plain)
    except Exception as error:  # with invalid bytes fastavro can raise any exception
        raise Undecodable(f"not a {name}: {error!r}") from error


def _begun(data: bytes | None) -> tuple[str, int, io.BytesIO]:
    """Return the record type in `data`, the id of its schema, and the body from its fields on."""
    if data is None or len(data) < _HEADER.size:
        raise Undecodable("no wire format header")
    magic, schema_id = _HEADER.unpack_from(data)
    if magic != 0:
        raise Undecodable(f"first byte is {magic}, should be 0")
    body = io.BytesIO(data)
    body.seek(_HEADER.size)
    if schema_id in _UNION_MEMBERS:
        schema_id = _member(schema_id, body)
    name = _NAMES.get(schema_id)
    if name is None:
        raise Undecodable(f"unknown schema id {schema_id:#010x}")
    return name, schema_id, body


def _member(union_id: int, body: io.BytesIO) -> int:
    """Read the index at the start of a union's body. Return the id of that member's schema."""
    members = _UNION_MEMBERS[union_id]
    try:
        index = fastavro.schemaless_reader(body, "long", None)
    except Exception as error:  # with invalid bytes fastavro can raise any exception
        raise Undecodable(f"no index after the union id {union_id:#010x}: {error!r}") from error
    if not isinstance(index, int) or not 0 <= index < len(members):
        raise Undecodable(f"the union {union_id:#010x} has no type {index}")
    return members[index]


def type_of(data: bytes) -> str | None:
    """Return the type of a record by its id, without decoding it; None for the id of a union and
    for an unknown one."""
    return _TYPE_BY_HEAD.get(data[: _HEADER.size])


def current_heads(name: str) -> AbstractSet[bytes]:
    """Return the heads of records with a type's current schema: a set that `read_ids` adds to."""
    return _CURRENT_HEADS[name]


def head_to_write(name: str) -> bytes:
    """Return the five bytes with which `encode` begins a record of the type at present."""
    return _WRITE_BY[name][0]


def id_of(data: bytes) -> int | None:
    """Return the schema id in wire format; None: the bytes are not in wire format."""
    if len(data) < _HEADER.size or data[0] != 0:
        return None
    return int.from_bytes(data[1 : _HEADER.size])


def decode_as_written(data: bytes) -> tuple[str, dict[str, Any]]:
    """Return the record's type, and its fields as in the schema with which it was written: maps,
    lists and numbers, times in ms. Raise `Undecodable`. For readers of many versions."""
    name, schema_id, body = _begun(data)
    try:
        plain = fastavro.schemaless_reader(body, _READ_BY[schema_id][0], None)
    except Exception as error:  # with invalid bytes fastavro can raise any exception
        raise Undecodable(f"not a {name}: {error!r}") from error
    return name, plain


_SHARED = frozenset({"Reservation", "Transfer", "Leg", "ReportedStream"})
"""Record types with objects that consecutive versions of a call mostly share."""
_WRITE_BY = {
    name: (_HEADER.pack(0, schema_id), writer_of(json.loads(schema_text(name)), _SHARED))
    for name, schema_id in SCHEMA_IDS.items()
}
_SCHEMAS = {name: parsed(schema_text(name)) for name in SCHEMA_IDS}
_NAMES = {schema_id: name for name in SCHEMA_IDS for schema_id in versions(name)}
_UNION_MEMBERS: dict[int, tuple[int, ...]] = {
    union.schema_id: tuple(versions(name)[n - 1] for name, n in union.members.items())
    for each in UNION_VERSIONS.values()
    for union in each
}
"""By the id of a union: the ids of the schemas of its record types, in its order."""
_READ_BY: dict[int, tuple[Schema, Schema | None]] = {
    **{SCHEMA_IDS[name]: (_SCHEMAS[name], None) for name in SCHEMA_IDS},
    **{
        schema_id: (parsed(schema_text(name, version)), _SCHEMAS[name])
        for name, ids in EARLIER_IDS.items()
        for version, schema_id in enumerate(ids, 1)
    },
}
"""By id: the schema that records were written with, and the schema to read them into, if that is
another one."""
_CLASSES: dict[str, Any] = {name: getattr(records, name) for name in SCHEMA_IDS}
_FROM_PLAIN = {name: reader_of_record(cls) for name, cls in _CLASSES.items()}
_TYPE_BY_HEAD = {_HEADER.pack(0, each): name for each, name in _NAMES.items()}
_CURRENT_HEADS = {name: {_HEADER.pack(0, each)} for name, each in SCHEMA_IDS.items()}


def read_ids(ids: Mapping[int, Iterable[int]]) -> None:
    """Make `decode` accept more ids in this process, such as those that a schema registry assigned.

    `ids`: the ids by the fixed id of their schema. Ids of unknown schemas, which another release
    may have, are ignored. Raise `ValueError`, and add none, if an id means another schema.
    """
    known = {fixed: each for fixed, each in ids.items() if _is_known(fixed)}
    found: dict[int, int] = {}
    for fixed, number in ((fixed, n) for fixed, each in known.items() for n in each):
        others = {found.setdefault(number, fixed), *([number] if _is_known(number) else [])}
        if not all(_is_same(other, fixed) for other in others):
            raise ValueError(f"the id {number} of the schema {fixed:#010x} means another one")
    for number, fixed in found.items():
        if fixed in _UNION_MEMBERS:
            _UNION_MEMBERS[number] = _UNION_MEMBERS[fixed]
            continue
        name, head = _NAMES[fixed], _HEADER.pack(0, number)
        _NAMES[number], _READ_BY[number], _TYPE_BY_HEAD[head] = name, _READ_BY[fixed], name
        if fixed == SCHEMA_IDS[name]:
            _CURRENT_HEADS[name].add(head)


def write_ids(ids: Mapping[int, int]) -> None:
    """Make `encode` write the current schemas with other ids in this process.

    `ids`: by the fixed id; a schema that is not in it has its fixed id. `read_ids` must have the
    ids, too.
    """
    for name, fixed in SCHEMA_IDS.items():
        _WRITE_BY[name] = _HEADER.pack(0, ids.get(fixed, fixed)), _WRITE_BY[name][1]


def _is_known(schema_id: int) -> bool:
    return schema_id in _READ_BY or schema_id in _UNION_MEMBERS


def _is_same(one: int, other: int) -> bool:
    """Return whether records with these known ids have the same bytes."""
    if one in _UNION_MEMBERS or other in _UNION_MEMBERS:
        return _UNION_MEMBERS.get(one) == _UNION_MEMBERS.get(other)
    first, second = _READ_BY[one][0], _READ_BY[other][0]
    return first is second or to_parsing_canonical_form(first) == to_parsing_canonical_form(second)


def add_record(record: type, schema_id: int, schema: Mapping[str, Any]) -> None:
    """Make `encode` and `decode` accept one more record type in this process, for a role that is
    not in this repository.

    - `record`: a dataclass with the fields of the schema, in the same order.
    - `schema_id`: a 32-bit number outside `OUR_IDS`.
    - `schema`: an Avro record with the name of the class, as parsed JSON.

    Raise `ValueError` if a name or an id is taken or wrong. The schema is in no registry.
    """
    name, names = record.__name__, [field.name for field in fields(record)]
    if name in _CLASSES or schema_id in _NAMES or schema_id in OUR_IDS:
        raise ValueError(f"{name}: the name, or the id {schema_id:#010x}, is taken")
    if name != schema["name"] or [f["name"] for f in schema["fields"]] != names:
        raise ValueError(f"{name}: the class and the schema differ in a name, or in their fields")
    _WRITE_BY[name] = _HEADER.pack(0, schema_id), writer_of(schema)
    _READ_BY[schema_id] = parsed(schema), None
    _FROM_PLAIN[name] = reader_of_record(record)
    _CLASSES[name] = record
    _NAMES[schema_id] = _TYPE_BY_HEAD[_HEADER.pack(0, schema_id)] = name
