"""Record types of roles that are not in this repository."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, make_dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import OUR_IDS, SCHEMA_IDS, Undecodable, add_record, decode, encode, versions


@dataclass(frozen=True)
class Part:
    """A nested record."""

    name: str
    at: int


@dataclass(frozen=True)
class Foreign:
    """A record of another repository."""

    title: str
    parts: tuple[Part, ...]
    counts: Mapping[str, int]
    last: Part | None
    data: bytes


ID = 0x7F000001
PART = {
    "type": "record",
    "name": "Part",
    "fields": [
        {"name": "name", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}
FOREIGN = {
    "type": "record",
    "name": "Foreign",
    "namespace": "elsewhere",
    "fields": [
        {"name": "title", "type": "string"},
        {"name": "parts", "type": {"type": "array", "items": PART}},
        {"name": "counts", "type": {"type": "map", "values": "long"}},
        {"name": "last", "type": ["null", "Part"]},
        {"name": "data", "type": "bytes"},
    ],
}
add_record(Foreign, ID, FOREIGN)

LONGS = st.integers(-(1 << 63), (1 << 63) - 1)
PARTS = st.builds(Part, st.text(), LONGS)


@given(
    st.builds(
        Foreign,
        st.text(),
        st.lists(PARTS, max_size=3).map(tuple),
        st.dictionaries(st.text(), LONGS, max_size=3),
        st.none() | PARTS,
        st.binary(),
    )
)
def test_what_is_written_can_be_read(record: Foreign) -> None:
    """With the header of all records."""
    written = encode(record)
    assert b"\0" + ID.to_bytes(4) == written[:5]
    assert record == decode(written)


@given(st.binary(max_size=40))
def test_rubbish_is_refused(rubbish: bytes) -> None:
    """As with our own records."""
    with suppress(Undecodable):
        decode(b"\0" + ID.to_bytes(4) + rubbish)


def test_our_own_ids_are_reserved() -> None:
    """Also those that have no schema yet."""
    every = [schema_id for name in SCHEMA_IDS for schema_id in versions(name)]
    assert set() == set(every) - set(OUR_IDS)


def schema(name: str, *fields: str) -> dict[str, Any]:
    """A record of texts."""
    each = [{"name": field, "type": "string"} for field in fields]
    return {"type": "record", "name": name, "fields": each}


@pytest.mark.parametrize(
    ("name", "fields", "schema_id", "described"),
    [
        ("Call", ["a"], 0x7F000002, schema("Call", "a")),
        ("Foreign", ["a"], 0x7F000002, schema("Foreign", "a")),
        ("Other", ["a"], ID, schema("Other", "a")),
        ("Other", ["a"], 0x46439999, schema("Other", "a")),
        ("Other", ["a"], 0x7F000002, schema("Another", "a")),
        ("Other", ["a"], 0x7F000002, schema("Other", "b")),
        ("Other", ["a", "b"], 0x7F000002, schema("Other", "b", "a")),
    ],
    ids=["our name", "known name", "known id", "our id", "name", "fields", "order"],
)
def test_a_record_that_would_be_confused_is_refused(
    name: str, fields: list[str], schema_id: int, described: dict[str, Any]
) -> None:
    """Nothing is added then."""
    record = make_dataclass(name, [(field, str) for field in fields])
    with pytest.raises(ValueError, match=name):
        add_record(record, schema_id, described)
    with pytest.raises(Undecodable):
        decode(b"\0" + (0x7F000002).to_bytes(4))
