"""The records: dataclasses and Avro agree, every written record can be read, ids never change."""

import io
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import avro.io
import avro.schema
import fastavro
import pytest
from fastavro.schema import to_parsing_canonical_form
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import codec, records, topics
from schemas.codec import (
    AVRO_DIR,
    EARLIER_IDS,
    SCHEMA_IDS,
    Undecodable,
    decode,
    encode,
    schema_text,
    versions,
)
from schemas.dataclass_reader import without_logical_types
from schemas.registry.union_schema import union_text
from schemas.unions import UNION_VERSIONS
from tests.examples import examples
from tests.schemas.avro_values import values_of

EVERY_RECORD = pytest.mark.parametrize("name", SCHEMA_IDS)
GENERATED = settings(
    max_examples=examples(15),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # a call has hundreds of values
)
HEADER_BYTES = 5

PUBLISHED_IDS = {
    "CtiEvent": 0x46430001,
    "DeadLetter": 0x46430002,
    "Tick": 0x46430003,
    "RecordingPolicy": 0x46430004,
    "Call": 0x46430005,
    "StartDuplicateStream": 0x46430006,
    "StopDuplicateStream": 0x46430007,
    "CommandAnswered": 0x46430008,
    "RecordingDecided": 0x46430009,
    "MediaStreamChanged": 0x4643000A,
    "MediaStreamOpened": 0x4643000B,
    "MediaBatch": 0x4643000C,
    "MediaStreamClosed": 0x4643000D,
    "GatewayStarted": 0x4643000E,
    "RecordingStarted": 0x4643000F,
    "RecordingCompleted": 0x46430010,
    "Contact": 0x46430011,
}


def test_ids_are_for_good() -> None:
    """Ids that were published stay, and no two records share one."""
    assert PUBLISHED_IDS == {name: versions(name)[0] for name in PUBLISHED_IDS}
    every = [schema_id for name in SCHEMA_IDS for schema_id in versions(name)]
    assert len(every) == len(set(every))


def test_an_id_means_one_schema() -> None:
    """Records in a log for years are read by the id. A changed schema needs a new id: give it one,
    and add its line to `fingerprints.json`. Documentation and defaults do not count."""
    fingerprints = json.loads((Path(__file__).parent / "fingerprints.json").read_text())
    of_records = {
        f"{schema_id:#010x} {name}": _fingerprint(schema_text(name, version))
        for name in SCHEMA_IDS
        for version, schema_id in enumerate(versions(name), start=1)
    }
    of_unions = {
        f"{union.schema_id:#010x} {topic}": _fingerprint(union_text(union))
        for topic, unions in UNION_VERSIONS.items()
        for union in unions
    }
    assert fingerprints == of_records | of_unions


def _fingerprint(schema: str) -> str:
    canonical = to_parsing_canonical_form(json.loads(schema))
    return sha256(canonical.encode()).hexdigest()[:16]


def test_each_schema_has_an_id() -> None:
    """There is one file for each id, and every record of a topic has one."""
    assert set(SCHEMA_IDS) == {path.stem for path in AVRO_DIR.glob("*.avsc")}
    earlier = {f"{name}.{n}" for name, ids in EARLIER_IDS.items() for n in range(1, len(ids) + 1)}
    assert earlier == {path.stem for path in AVRO_DIR.glob("earlier/*.avsc")}
    assert set() == {name for topic in topics.ALL for name in topic.records} - set(SCHEMA_IDS)


@EVERY_RECORD
def test_schemas_are_documented(name: str) -> None:
    """Every record and field has a description, in our namespace, in readable layout."""
    text = (AVRO_DIR / f"{name}.avsc").read_text()
    schema = json.loads(text)
    assert (name, "flexcapture") == (schema["name"], schema["namespace"])
    assert [] == _undocumented(schema)
    assert json.dumps(schema, indent=2, ensure_ascii=False) + "\n" == text


@EVERY_RECORD
def test_dataclass_and_schema_agree(name: str) -> None:
    """The dataclass has the schema's fields, in its order, of its types."""
    assert [] == list(_differences(json.loads(schema_text(name)), getattr(records, name), {}))


@EVERY_RECORD
@given(data=st.data())
@GENERATED
def test_what_is_written_can_be_read(name: str, data: st.DataObject) -> None:
    """A record comes back from its bytes as it was, by our reader and by Avro's own. The bytes are
    fastavro's, the first time and again."""
    plain = data.draw(values_of(name))
    record = codec._FROM_PLAIN[name](plain)
    written = encode(record)
    assert record == decode(written)
    assert (0).to_bytes(1) + SCHEMA_IDS[name].to_bytes(4) == written[:HEADER_BYTES]
    assert plain == _read_by_avro(name, written[HEADER_BYTES:])
    by_fastavro = io.BytesIO()
    fastavro.schemaless_writer(by_fastavro, codec._SCHEMAS[name], plain)
    assert by_fastavro.getvalue() == written[HEADER_BYTES:] == encode(record)[HEADER_BYTES:]


@pytest.mark.parametrize(
    ("name", "version"),
    [(name, n) for name, ids in EARLIER_IDS.items() for n in range(1, len(ids) + 1)],
)
@given(data=st.data())
@GENERATED
def test_what_was_written_earlier_can_be_read(name: str, version: int, data: st.DataObject) -> None:
    """A record of an earlier schema is read as one of now: what both know is as it was."""
    plain = data.draw(values_of(name, version))
    out = io.BytesIO()
    out.write((0).to_bytes(1) + versions(name)[version - 1].to_bytes(4))
    schema = fastavro.parse_schema(without_logical_types(json.loads(schema_text(name, version))))
    fastavro.schemaless_writer(out, schema, plain)
    read = _with_lists(asdict(decode(out.getvalue())))
    assert plain == _as_known_then(read, plain)


def _as_known_then(read: Any, then: Any) -> Any:
    """Without the fields, at any depth, that were not there then."""
    if isinstance(then, dict):
        return {name: _as_known_then(read[name], each) for name, each in then.items()}
    if isinstance(then, list):
        return [_as_known_then(*pair) for pair in zip(read, then, strict=True)]
    return read


def _with_lists(value: Any) -> Any:
    """Tuples as lists, at any depth."""
    if isinstance(value, dict):
        return {name: _with_lists(each) for name, each in value.items()}
    return [_with_lists(each) for each in value] if isinstance(value, list | tuple) else value


@given(st.binary(max_size=40))
def test_rubbish_is_refused(rubbish: bytes) -> None:
    """Bytes that are no record of ours raise `Undecodable` and nothing else."""
    for data in (rubbish, b"\x00\x46\x43\x00\x05" + rubbish, None):
        try:
            decode(data)
        except Undecodable:
            continue


def _read_by_avro(name: str, body: bytes) -> Any:
    plain_times = json.dumps(without_logical_types(json.loads(schema_text(name))))
    reader = avro.io.DatumReader(avro.schema.parse(plain_times))
    return reader.read(avro.io.BinaryDecoder(io.BytesIO(body)))


def _undocumented(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [place for branch in schema for place in _undocumented(branch)]
    if not isinstance(schema, dict):
        return []
    own = [] if schema.get("type") != "record" or "doc" in schema else [str(schema)]
    own += [f["name"] for f in schema.get("fields", []) if not f.get("doc")]
    inner = [f["type"] for f in schema.get("fields", [])]
    inner += [schema[key] for key in ("type", "items", "values") if key in schema]
    return own + [place for part in inner for place in _undocumented(part)]


def _differences(schema: Any, hint: Any, named: dict[str, Any]) -> list[str]:
    """Return the type hints that differ from the schema."""
    if isinstance(schema, str):
        schema = named.get(schema.removeprefix("flexcapture."), schema)
    if isinstance(schema, list):
        optional = isinstance(hint, types.UnionType) and type(None) in typing.get_args(hint)
        rest = [branch for branch in schema if branch != "null"]
        if not optional or len(rest) != 1 or len(schema) != 2:
            return [f"{schema} is not {hint}"]
        [some] = [arg for arg in typing.get_args(hint) if arg is not type(None)]
        return _differences(rest[0], some, named)
    if isinstance(schema, str):
        expected = {"int": int, "long": int, "string": str, "bytes": bytes, "boolean": bool}
        return [] if expected[schema] is hint else [f"{schema} is not {hint}"]
    return _complex_differences(schema, hint, named)


def _complex_differences(schema: Any, hint: Any, named: dict[str, Any]) -> list[str]:
    match schema["type"]:
        case "record":
            named[schema["name"]] = schema
            return _record_differences(schema, hint, named)
        case "enum":
            named[schema["name"]] = schema
            return [] if hint is str else [f"enum is not {hint}"]
        case "array":
            items, *more = typing.get_args(hint) or (None,)
            if typing.get_origin(hint) is not tuple or more != [...]:
                return [f"array is not {hint}"]
            return _differences(schema["items"], items, named)
        case "map":
            if typing.get_origin(hint) is not Mapping or typing.get_args(hint)[0] is not str:
                return [f"map is not {hint}"]
            return _differences(schema["values"], typing.get_args(hint)[1], named)
        case inner:
            return _differences(inner, hint, named)


def _record_differences(schema: Any, hint: Any, named: dict[str, Any]) -> list[str]:
    if not is_dataclass(hint):
        return [f"{schema['name']} is not {hint}"]
    hints = typing.get_type_hints(hint)
    names = [field["name"] for field in schema["fields"]]
    if names != [field.name for field in fields(hint)]:
        return [f"{schema['name']}: {names} are not {[field.name for field in fields(hint)]}"]
    found: list[str] = []
    for field in schema["fields"]:
        inner = _differences(field["type"], hints[field["name"]], named)
        found += [f"{schema['name']}.{field['name']}: {text}" for text in inner]
    return found
