"""The ids of registrations as records."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import OUR_IDS, SCHEMA_IDS, versions
from schemas.records import RegisteredSchema, RegisteredSchemas
from schemas.registry.assignment import (
    FIXED_KEY,
    ambiguities,
    fixed_ids,
    key_of,
    lacking,
    names_of,
    read_from,
    registered,
    written_with,
)
from schemas.registry.subjects import served_subjects

CALL, TICK = SCHEMA_IDS["Call"], SCHEMA_IDS["Tick"]
NAMES = {CALL: "Call", TICK: "Tick"}
NUMBERS = st.integers(1, 30)


def record(ids: dict[int, tuple[int, ...]], address: str = "http://r") -> RegisteredSchemas:
    """A record with the first of the ids to write."""
    schemas = (RegisteredSchema(f, NAMES.get(f, "x"), n[0], n[1:]) for f, n in ids.items())
    return RegisteredSchemas(address, 1, tuple(schemas))


def test_the_id_that_was_written_is_kept() -> None:
    """The earlier id holds while the registry has it; else ours, if it has that; else its least."""
    found = registered("http://r", 2, NAMES, {CALL: [5, 9], TICK: [3, TICK]}, record({CALL: (9,)}))
    assert record({CALL: (9, 5), TICK: (TICK, 3)}).schemas == tuple(
        sorted(found.schemas, key=lambda each: each.fixed_id != CALL)
    )
    assert {CALL: 9, TICK: TICK} == written_with(found)
    gone = registered("http://r", 2, NAMES, {CALL: [7], TICK: [8]}, found)
    assert {CALL: 7, TICK: 8} == written_with(gone)


@given(
    st.lists(
        st.dictionaries(st.sampled_from([CALL, TICK]), st.lists(NUMBERS, min_size=1), min_size=2),
        min_size=1,
        max_size=4,
    )
)
def test_every_id_that_was_ever_written_stays_readable(
    registrations: list[dict[int, list[int]]],
) -> None:
    """However often a registry assigns other ids, records with the earlier ones can be read."""
    earlier, written = None, {CALL: set[int](), TICK: set[int]()}
    for ids in registrations:
        earlier = registered("http://r", 2, NAMES, ids, earlier)
        for fixed, number in written_with(earlier).items():
            assert number in ids[fixed]
            written[fixed].add(number)
    assert earlier is not None
    readable = read_from([earlier])
    assert all(written[fixed] <= set(readable[fixed]) for fixed in NAMES)


def test_schemas_of_another_release_stay() -> None:
    """An earlier release that registers does not drop the ids of a later one."""
    other = RegisteredSchema(0x4643EEEE, "Later", 77, ())
    before = RegisteredSchemas("http://r", 1, (other,))
    assert other in registered("http://r", 2, {CALL: "Call"}, {CALL: [5]}, before).schemas


def test_an_id_that_means_two_schemas_is_found() -> None:
    """Within a record, between records, and within our own block."""
    assert [] == ambiguities([record({CALL: (5, CALL), TICK: (6,)}), record({CALL: (7, 5)})])
    assert ambiguities([record({CALL: (5,), TICK: (5,)})])
    assert ambiguities([record({CALL: (5,)}), record({TICK: (7, 5)}, "http://s")])
    assert ambiguities([record({CALL: (TICK,)})])
    assert ambiguities([record({CALL: (OUR_IDS[-2],)})])


def test_schemas_that_differ_in_documentation_may_share_an_id() -> None:
    """A registry that ignores documentation gives both versions one id."""
    first, second = versions("RecordingSegment")
    assert [] == ambiguities([record({first: (5,), second: (5,)})])


def test_the_record_of_fixed_ids() -> None:
    """It lacks nothing, and has a key of its own."""
    assert FIXED_KEY == key_of(fixed_ids(3)) != key_of(record({}))
    assert [] == lacking(fixed_ids(3))
    assert {} == written_with(fixed_ids(3)) == written_with(None)


def test_what_a_record_lacks_is_named() -> None:
    """The record types of this release without an id, in order."""
    assert "Call" not in lacking(record({CALL: (5,)}))
    assert "Tick" in lacking(record({CALL: (5,)}))
    names = names_of(served_subjects("").values())
    assert SCHEMA_IDS.items() <= {name: fixed for fixed, name in names.items()}.items()
