"""Records with ids that a schema registry assigned."""

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.epochs_in_log import Announcements
from pipeline.media.regular import RegularReader, written
from schemas import codec
from schemas.codec import (
    EARLIER_IDS,
    SCHEMA_IDS,
    Undecodable,
    add_record,
    decode,
    decode_as_written,
    encode,
    id_of,
    read_ids,
    type_of,
    versions,
)
from schemas.records import GatewayAlive, MediaBatch, TrackBatch
from schemas.records.media import Run
from schemas.unions import UNION_VERSIONS
from tests.examples import examples
from tests.schemas.avro_values import values_of
from tests.schemas.other_ids import every_id, ids_as_before, other_ids

RECORDS = st.sampled_from(sorted(SCHEMA_IDS)).flatmap(
    lambda name: values_of(name).map(codec._FROM_PLAIN[name])
)
GENERATED = settings(
    max_examples=examples(30), suppress_health_check=[HealthCheck.too_slow], deadline=None
)
FIRST = 7
ASSIGNED = {fixed: (n, 10_000 + n) for n, fixed in enumerate(every_id(), FIRST)}
"""Two ids for each schema, as a registry has them that lost its content once."""


def batch() -> MediaBatch:
    """A batch of two frames of each track, which is read without `decode`."""
    tracks = tuple(
        TrackBatch(track, (Run(0, 2, 20, 160),), 0, b"a" * 320) for track in ("inbound", "outbound")
    )
    return MediaBatch("MZ1", "CA1", "WT1", "g", 1, 1, 5, 1, 2, tracks)


@GENERATED
@given(RECORDS, st.data())
def test_records_have_and_may_have_other_ids(record: object, data: st.DataObject) -> None:
    """A record is written with the id that the registry has, and read with each of its ids and with
    the fixed one. Nothing else of its bytes changes."""
    name = type(record).__name__
    fixed = encode(record)
    with other_ids(ASSIGNED):
        value = encode(record)
        ids = data.draw(st.sampled_from([SCHEMA_IDS[name], *ASSIGNED[SCHEMA_IDS[name]]]))
        read = b"\0" + ids.to_bytes(4) + fixed[5:]
        assert ASSIGNED[SCHEMA_IDS[name]][0] == id_of(value)
        assert fixed[5:] == value[5:]
        assert record == decode(read) == decode(value)
        assert name == type_of(read) == type_of(value)
        assert decode_as_written(fixed) == decode_as_written(value)
    assert fixed == encode(record)
    assert type_of(read) == (name if ids == SCHEMA_IDS[name] else None)


@pytest.mark.parametrize("name", EARLIER_IDS)
def test_earlier_schemas_have_other_ids(name: str) -> None:
    """A record of an earlier schema under an assigned id is read as one with its fixed id."""
    with other_ids(ASSIGNED):
        for number in versions(name)[:-1]:
            for each in ASSIGNED[number]:
                assert name == type_of(b"\0" + each.to_bytes(4))
                assert codec._READ_BY[number] is codec._READ_BY[each]


def test_unions_have_other_ids() -> None:
    """A record that was written with a union under an assigned id is read."""
    union = UNION_VERSIONS["stream.events"][-1]
    record = GatewayAlive("g", 3, 4)
    index = list(union.members).index("GatewayAlive") * 2
    with other_ids(ASSIGNED):
        body = encode(record)[5:]
        for number in (union.schema_id, *ASSIGNED[union.schema_id]):
            value = b"\0" + number.to_bytes(4) + bytes([index]) + body
            assert record == decode(value)
            assert type_of(value) is None


def test_records_that_are_not_decoded_are_recognized() -> None:
    """The readers that look at bytes only take every id, and write the one that holds; also those
    that existed before the ids were known."""
    reader, own = RegularReader(), Announcements("g")
    before = encode(batch()), encode(GatewayAlive("g", 3, 4))
    with other_ids(ASSIGNED):
        after = encode(batch()), encode(GatewayAlive("g", 3, 4))
        assert written(batch()) == after[0] != before[0]
        assert reader.read(before[0]) == reader.read(after[0]) is not None
        assert own.has(before[1])
        assert own.has(after[1])
        assert not own.has(encode(GatewayAlive("h", 3, 4)))
    assert written(batch()) == before[0]
    assert reader.read(after[0]) is None


@pytest.mark.parametrize(
    "ids",
    [
        {SCHEMA_IDS["Call"]: (SCHEMA_IDS["Tick"],)},
        {SCHEMA_IDS["Call"]: (5,), SCHEMA_IDS["Tick"]: (5,)},
        {SCHEMA_IDS["Call"]: (5,), versions("Call")[0]: (5,)},
        {UNION_VERSIONS["media"][0].schema_id: (SCHEMA_IDS["Call"],)},
    ],
)
def test_an_id_has_one_meaning(ids: dict[int, tuple[int, ...]]) -> None:
    """An id that means another schema is refused, and then none of them is taken."""
    with ids_as_before():
        before = dict(codec._NAMES)
        with pytest.raises(ValueError, match="means another"):
            read_ids({SCHEMA_IDS["CtiEvent"]: (6,)} | ids)
        assert before == codec._NAMES


def test_schemas_that_differ_in_documentation_may_share_an_id() -> None:
    """Not every registry distinguishes them, and their records have the same bytes."""
    with ids_as_before():
        read_ids(dict.fromkeys(versions("RecordingSegment"), (5,)))


def test_schemas_of_another_release_are_passed_over() -> None:
    """A later release may have registered schemas that this one does not know."""
    with ids_as_before():
        read_ids({0x4643EEEE: (5,), SCHEMA_IDS["Call"]: (6,)})
        assert type_of(b"\0\0\0\0\6") == "Call"
        with pytest.raises(Undecodable, match="unknown schema id"):
            decode(b"\0\0\0\0\5body")


def test_a_role_of_its_own_keeps_its_id() -> None:
    """A record type that `add_record` added keeps its id, and a registry's id cannot replace it."""

    @dataclass(frozen=True, slots=True)
    class Mine:
        number: int

    schema = {"type": "record", "name": "Mine", "fields": [{"name": "number", "type": "long"}]}
    with ids_as_before():
        add_record(Mine, 5, schema)
        with pytest.raises(ValueError, match="means another"):
            read_ids({SCHEMA_IDS["Call"]: (5,)})
        codec.write_ids({SCHEMA_IDS["Call"]: 6})
        assert 5 == id_of(encode(Mine(1)))
    del codec._CLASSES["Mine"], codec._FROM_PLAIN["Mine"]


@given(st.binary(max_size=12))
def test_any_bytes_have_a_type_or_none(data: bytes) -> None:
    """Looking for the type of any bytes does not fail."""
    found = type_of(data)
    assert found is None or id_of(data) in versions(found)
