"""Encode and decode records: Avro in Confluent's wire format (a zero byte, the schema's id in four
bytes, big-endian, then the Avro body; docs.confluent.io, "Wire format").

The ids are fixed here for good. A schema with changed fields gets a new id, and the old one stays
readable. A change of its documentation alone keeps the id.
"""

import io
import json
import struct
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import fastavro
from fastavro.types import Schema

from . import records
from .avro_writer import writer_of
from .unions import UNION_VERSIONS

AVRO_DIR = Path(__file__).parent / "avro"

SCHEMA_IDS: Mapping[str, int] = {
    "CtiEvent": 0x46430001,
    "DeadLetter": 0x46430118,
    "Tick": 0x46430003,
    "RecordingPolicy": 0x46430060,
    "Call": 0x46430168,
    "StartDuplicateStream": 0x46430162,
    "StopDuplicateStream": 0x46430163,
    "CommandAnswered": 0x46430130,
    "RecordingDecided": 0x46430160,
    "MediaStreamChanged": 0x46430161,
    "MediaStreamOpened": 0x464300D0,
    "MediaBatch": 0x46430062,
    "MediaStreamClosed": 0x464300A0,
    "GatewayStarted": 0x4643000E,
    "RecordingStarted": 0x46430063,
    "RecordingCompleted": 0x464301A0,
    "Contact": 0x464301A1,
    "RecorderCheckpoint": 0x46430066,
    "CallStreams": 0x46430167,
    "ContactState": 0x464301A2,
    "BridgeCheckpoint": 0x46430040,
    "RecordingSegment": 0x46430052,
    "CallAlias": 0x46430134,
    "CallAliasState": 0x46430141,
    "ForgottenCall": 0x46430019,
    "GatewayAlive": 0x4643001A,
    "BridgePeriod": 0x46430020,
    "DeadLetterRetried": 0x46430021,
    "MediaDropped": 0x46430050,
    "RecorderDecision": 0x46430067,
    "HandshakeRefused": 0x46430121,
    "PolicyHeldBack": 0x46430090,
    "PolicyAccepted": 0x46430091,
    "ClockProbe": 0x464300D1,
    "Worker": 0x464300F2,
    "WorkerSeen": 0x464300F3,
    "VerifyLeg": 0x46430165,
    "LegContested": 0x46430135,
    "MediaStreamObserved": 0x46430120,
    "FindConference": 0x46430164,
    "FetchLeg": 0x46430166,
    "LegFetched": 0x46430115,
    "DerivationProgress": 0x46430150,
    "RetrievalJob": 0x464301A4,
}
"""The current schema's id of each record type; records are written with it."""
EARLIER_IDS: Mapping[str, tuple[int, ...]] = {
    "DeadLetter": (0x46430002,),
    "RecordingPolicy": (0x46430004,),
    "Call": (0x46430005, 0x4643001B, 0x46430061),
    "Contact": (0x46430011, 0x4643001C, 0x46430065, 0x464300F1),
    "RecorderCheckpoint": (0x46430012, 0x4643001F, 0x46430051, 0x46430053),
    "RecordingSegment": (0x46430016,),
    "BridgeCheckpoint": (0x46430015,),
    "MediaBatch": (0x4643000C,),
    "MediaStreamClosed": (0x4643000D,),
    "RecordingStarted": (0x4643000F,),
    "RecordingCompleted": (0x46430010, 0x46430064, 0x46430169),
    "ContactState": (0x46430014, 0x46430069, 0x464300F5, 0x4643016A),
    "CallStreams": (0x46430013, 0x464300F4, 0x46430113, 0x46430119, 0x46430131, 0x46430140),
    "StartDuplicateStream": (0x46430006, 0x46430110),
    "VerifyLeg": (0x464300F7, 0x46430111, 0x46430133),
    "CommandAnswered": (0x46430008, 0x46430112, 0x4643011B),
    "CallAliasState": (0x46430018, 0x464300F6, 0x46430132),
    "MediaStreamOpened": (0x4643000B,),
    "HandshakeRefused": (0x46430068,),
    "LegContested": (0x464300F8,),
    "CallAlias": (0x46430017,),
    "RecordingDecided": (0x46430009,),
    "MediaStreamChanged": (0x4643000A,),
    "StopDuplicateStream": (0x46430007,),
    "FindConference": (0x4643011A,),
    "FetchLeg": (0x46430114,),
}
"""The ids of a record type's earlier schemas (`avro/earlier/NAME.VERSION.avsc`, versions from 1).
Records with these ids are read into the current schema; new fields get their defaults."""

OUR_IDS = range(0x46430000, 0x46440000)
"""The ids of this repository's schemas, now and later. Other roles use other ids."""

_HEADER = struct.Struct(">bI")
HEADER_BYTES = _HEADER.size
"""Bytes before the Avro body."""


class Undecodable(ValueError):
    """The bytes are no record with one of our schemas. The text gives the reason."""


def versions(name: str) -> tuple[int, ...]:
    """Return the ids of all versions of a record type's schema, oldest first."""
    return (*EARLIER_IDS.get(name, ()), SCHEMA_IDS[name])


def schema_text(name: str, version: int | None = None) -> str:
    """Return the Avro schema of a record type as JSON, as it is registered. `version`: from 1, None
    for the current one."""
    latest = version is None or version == len(versions(name))
    path = AVRO_DIR / (f"{name}.avsc" if latest else f"earlier/{name}.{version}.avsc")
    return json.dumps(json.loads(path.read_text()), separators=(",", ":"))


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


def id_of(data: bytes) -> int | None:
    """Return the schema id in wire format; None: the bytes are not in wire format."""
    if len(data) < _HEADER.size or data[0] != 0:
        return None
    return int.from_bytes(data[1 : _HEADER.size])


def decode_as_written(data: bytes) -> tuple[str, dict[str, Any]]:
    """Return the record's type and its fields as the schema has them that it was written with:
    maps, lists and numbers, times in ms. Raise `Undecodable`. For readers of many versions."""
    name, schema_id, body = _begun(data)
    try:
        plain = fastavro.schemaless_reader(body, _READ_BY[schema_id][0], None)
    except Exception as error:  # with invalid bytes fastavro can raise any exception
        raise Undecodable(f"not a {name}: {error!r}") from error
    return name, plain


def _without_logical_types(schema: Any) -> Any:
    """Return the schema with times as plain integers. The bytes are the same and faster to read."""
    if isinstance(schema, dict):
        return {k: _without_logical_types(v) for k, v in schema.items() if k != "logicalType"}
    if isinstance(schema, list):
        return [_without_logical_types(v) for v in schema]
    return schema


def _parsed(name: str, version: int | None = None) -> Schema:
    return fastavro.parse_schema(_without_logical_types(json.loads(schema_text(name, version))))


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
        convert = _record_reader(inner)
    elif typing.get_origin(inner) is tuple:
        each = _reader_of(args[0])
        convert = tuple if each is None else lambda values: tuple([each(v) for v in values])
    elif typing.get_origin(inner) is Mapping and (each_value := _reader_of(args[1])):
        convert = lambda values: {k: each_value(v) for k, v in values.items()}  # noqa: E731
    if convert is not None and inner is not hint:
        some = convert
        return lambda value: None if value is None else some(value)
    return convert


def _record_reader(cls: Any) -> Callable[[Any], Any]:
    hints = typing.get_type_hints(cls)
    steps = [(f.name, _reader_of(hints[f.name])) for f in fields(cls)]

    def read(plain: Any) -> Any:
        return cls(*[plain[name] if step is None else step(plain[name]) for name, step in steps])

    return read


_SHARED = frozenset({"Reservation", "Transfer", "Leg", "ReportedStream"})
"""Record types of which consecutive versions of a call mostly share the same objects."""
_WRITE_BY = {
    name: (_HEADER.pack(0, schema_id), writer_of(json.loads(schema_text(name)), _SHARED))
    for name, schema_id in SCHEMA_IDS.items()
}
_SCHEMAS = {name: _parsed(name) for name in SCHEMA_IDS}
_NAMES = {schema_id: name for name in SCHEMA_IDS for schema_id in versions(name)}
_UNION_MEMBERS: Mapping[int, tuple[int, ...]] = {
    union.schema_id: tuple(versions(name)[n - 1] for name, n in union.members.items())
    for each in UNION_VERSIONS.values()
    for union in each
}
"""By the id of a union: the ids of the schemas of its record types, in its order."""
_READ_BY: dict[int, tuple[Schema, Schema | None]] = {
    **{SCHEMA_IDS[name]: (_SCHEMAS[name], None) for name in SCHEMA_IDS},
    **{
        schema_id: (_parsed(name, version), _SCHEMAS[name])
        for name, ids in EARLIER_IDS.items()
        for version, schema_id in enumerate(ids, 1)
    },
}
"""By id: the schema that records were written with, and the schema to read them into, if that is
another one."""
_CLASSES: dict[str, Any] = {name: getattr(records, name) for name in SCHEMA_IDS}
_FROM_PLAIN = {name: _record_reader(cls) for name, cls in _CLASSES.items()}


def add_record(record: type, schema_id: int, schema: Mapping[str, Any]) -> None:
    """Make `encode` and `decode` accept one more record type in this process, for a role that is
    not in this repository.

    - `record`: a dataclass with the fields of the schema, in the same order.
    - `schema_id`: a 32-bit number outside `OUR_IDS`.
    - `schema`: an Avro record with the name of the class, as parsed JSON.

    Raises `ValueError` if a name or an id is taken or wrong. The schema is in no registry.
    """
    name = record.__name__
    if name in _CLASSES or schema_id in _NAMES or schema_id in OUR_IDS:
        raise ValueError(f"{name}: the name, or the id {schema_id:#010x}, is taken")
    if name != schema["name"] or [f["name"] for f in schema["fields"]] != _field_names(record):
        raise ValueError(f"{name}: the class and the schema differ in a name, or in their fields")
    _WRITE_BY[name] = _HEADER.pack(0, schema_id), writer_of(schema)
    _READ_BY[schema_id] = fastavro.parse_schema(_without_logical_types(schema)), None
    _FROM_PLAIN[name] = _record_reader(record)
    _CLASSES[name] = record
    _NAMES[schema_id] = name


def _field_names(record: Any) -> list[str]:
    return [field.name for field in fields(record)]
