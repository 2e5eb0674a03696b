"""The columns of the lake's files: typed, for all versions, and lossless."""

import functools
import io
import json
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.lake.columns import META, TIME, LakeTable, arrow_type, fields_of, union
from pipeline.lake.layout import LANDED, PartitionRef
from pipeline.lake.parquet import encoded
from pipeline.lake.partition import NextFile
from schemas.codec import SCHEMA_IDS, encode, schema_text, versions
from schemas.records import Call, Fact, Reservation
from schemas.topics import CALLS, MEDIA, Topic
from tests.pipeline.lake.landers import Record
from tests.schemas.avro_values import values_of

FACT = Fact("Alice", 3, 1_000, "EV1")
CALL = Call(
    "WT1", 2, "EV1", "task.created", 1_000, 1_000, 2_000, 3_000,
    {"queue": FACT}, {"created": 1_000}, (Reservation("WR1", {"worker": FACT}, {}),), (), (),
    "inbound", "active", (),
)  # fmt: skip


def landed(topic: Topic, *records: tuple[bytes | None, bytes | None]) -> pa.Table:
    """Return records (key, value), landed as a file and read again."""
    logged = [Record(10 + n, 5_000, key, value) for n, (key, value) in enumerate(records)]
    file = NextFile(10, 10 + len(logged), 0, logged)
    made = encoded(LakeTable(topic, f"x.{topic.name}"), PartitionRef(f"x.{topic.name}", 3), file)
    return pq.read_table(io.BytesIO(made.data))


def rows(topic: Topic, *records: tuple[bytes | None, bytes | None]) -> list[dict[str, Any]]:
    """Return records (key, value) as rows."""
    return list(landed(topic, *records).to_pylist(maps_as_pydicts="strict"))


def plain(value: Any) -> Any:
    """Return an Arrow scalar as `fastavro` reads it, times as numbers."""
    if not value.is_valid:
        return None
    match value:
        case pa.TimestampScalar():
            return value.value
        case pa.StructScalar():
            return {name: plain(each) for name, each in value.items()}
        case pa.MapScalar():
            return {each["key"].as_py(): plain(each["value"]) for each in value.values}
        case pa.ListScalar():
            return [plain(each) for each in value.values]
    return value.as_py()


def has_only(value: Any, got: Any) -> bool:
    """Whether `got` is the value; fields that the value does not have are null."""
    match value:
        case dict():
            return value.keys() <= got.keys() and all(
                has_only(value.get(name), each) for name, each in got.items()
            )
        case list():
            return len(value) == len(got) and all(map(has_only, value, got))
    return bool(value == got)


values_once = functools.cache(values_of)
"""As `values_of`. Hypothesis takes long to build a large strategy."""


def without_times(schema: Any) -> Any:
    """Return a schema with times as numbers."""
    if isinstance(schema, dict):
        return {k: without_times(v) for k, v in schema.items() if k != "logicalType"}
    return [without_times(each) for each in schema] if isinstance(schema, list) else schema


def test_nested_fields_are_typed() -> None:
    """Maps, lists and structs are such, and times are times."""
    types = {field.name: field.type for field in fields_of(CALLS)}
    assert TIME == types["first_event_at"]
    assert TIME == types["facts"].item_type.field("at").type
    assert pa.types.is_list(types["reservations"])
    [row] = rows(CALLS, (b"WT1", encode(CALL)))
    assert "Alice" == row["reservations"][0]["facts"]["worker"]["value"]
    assert 1 == row["milestones"]["created"].timestamp()
    assert ("x.calls", 3, 10, "WT1", "Call") == tuple(
        row[f"_{name}"] for name in ("topic", "partition", "offset", "key", "type")
    )
    assert (SCHEMA_IDS["Call"], None) == (row["_schema_id"], row["_undecoded"])
    assert 5 == row["_timestamp"].timestamp()


def test_nothing_is_lost_without_a_schema() -> None:
    """A tombstone, bytes of no form, a schema of a later release, a damaged record, a key that is
    no text."""
    later = b"\0" + (0x4643FFFF).to_bytes(4) + b"x"
    damaged = encode(CALL)[:30]
    found = rows(
        CALLS, (b"WT1", None), (None, b"\x01"), (b"\xff", later), (b"WT1", damaged), (b"", b"")
    )
    assert [None, b"\x01", later, damaged, b""] == [row["_undecoded"] for row in found]
    ids = [None, None, 0x4643FFFF, SCHEMA_IDS["Call"], None]
    assert ids == [row["_schema_id"] for row in found]
    assert ["WT1", None, "\\xff", "WT1", ""] == [row["_key"] for row in found]
    assert all(row["_type"] is None and row["task_sid"] is None for row in found)


@pytest.mark.parametrize("topic", LANDED, ids=lambda topic: topic.name)
@settings(max_examples=30)
@given(st.data())
def test_every_version_of_every_record_lands(topic: Topic, data: st.DataObject) -> None:
    """The fields that a version has come back with their values, the others are null."""
    name = data.draw(st.sampled_from(topic.records))
    version = data.draw(st.integers(1, len(versions(name))))
    schema = json.loads(schema_text(name, version))
    value = data.draw(values_once(name, version))
    out = io.BytesIO(b"\0" + versions(name)[version - 1].to_bytes(4))
    out.seek(5)
    fastavro.schemaless_writer(out, fastavro.parse_schema(without_times(schema)), value)
    [row] = [plain(each) for each in landed(topic, (None, out.getvalue())).to_struct_array()]
    assert name == row["_type"]
    assert row.items() >= {"_schema_id": versions(name)[version - 1], "_undecoded": None}.items()
    fields = {n: each for n, each in row.items() if not n.startswith("_")}
    assert has_only(value, fields)


def test_no_column_of_ours_hides_a_field() -> None:
    """Neither those with an underscore, nor those that engines make of the directories' names."""
    ours = {field.name for field in META} | {"topic", "day"}
    for topic in LANDED:
        assert not ours & {field.name for field in fields_of(topic)}


def test_audio_is_not_landed() -> None:
    """No topic with sound is landed."""
    assert MEDIA not in LANDED


def test_a_new_version_adds_columns() -> None:
    """Structs get the fields of both, at any depth; types that do not fit are refused."""
    old = arrow_type(record(a="int", b={"type": "map", "values": record("In", x="string")}))
    new = arrow_type(
        record(a="long", b={"type": "map", "values": record("In", y="string")}, c="int")
    )
    both = union(old, new)
    assert ["a", "b", "c"] == [field.name for field in both]
    assert pa.int64() == both.field("a").type
    assert ["x", "y"] == [field.name for field in both.field("b").type.item_type]
    with pytest.raises(ValueError, match="no type for both"):
        union(pa.string(), pa.int64())
    with pytest.raises(ValueError, match="several types"):
        arrow_type(["int", "string"])


def record(name: str = "R", **fields: Any) -> dict[str, Any]:
    """Return an Avro schema."""
    return {
        "type": "record", "name": name,
        "fields": [{"name": n, "type": each} for n, each in fields.items()],
    }  # fmt: skip
