"""The records of the topic `schema.ids`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.runtime.schema_ids import (
    KnownIds,
    UnusableIds,
    headers_of,
    record_of,
    use,
    use_logged_ids,
    value_of,
)
from pipeline.runtime.settings import Settings
from schemas.codec import SCHEMA_IDS, Undecodable, encode, id_of
from schemas.records import RegisteredSchema, RegisteredSchemas, Tick
from schemas.registry.assignment import fixed_ids
from tests.schemas.other_ids import ids_as_before

FIXED = SCHEMA_IDS["RegisteredSchemas"]
TICK = SCHEMA_IDS["Tick"]


def of(address: str, **ids: int) -> RegisteredSchemas:
    """A registration with these ids, by record type."""
    schemas = (RegisteredSchema(SCHEMA_IDS[n], n, each, ()) for n, each in ids.items())
    return RegisteredSchemas(address, 1, tuple(schemas))


def test_a_record_has_the_id_that_it_says() -> None:
    """So the registry's clients can read it; our readers need the header, as they do not know the
    id yet."""
    record = of("http://r", RegisteredSchemas=7, Tick=8)
    value = value_of(record)
    assert 7 == id_of(value)
    assert record == record_of(value, headers_of())
    with pytest.raises(Undecodable):
        record_of(value, [])
    assert FIXED == id_of(value_of(fixed_ids(1)))
    assert fixed_ids(1) == record_of(value_of(fixed_ids(1)), [])


@given(st.binary(max_size=40) | st.none(), st.binary(max_size=12))
def test_other_bytes_are_undecodable(value: bytes | None, header: bytes) -> None:
    """For any content of the topic, reading it raises only `Undecodable`."""
    with pytest.raises(Undecodable):
        record_of(value, [("flexcapture.schema_id", header)])
    with pytest.raises(Undecodable):
        record_of(encode(Tick(1)) if value is None else b"\0" + value, headers_of())


def test_the_last_record_of_a_registry_holds() -> None:
    """Of each registry the last, and of all the one that came last."""
    known = KnownIds()
    assert known.latest is known.of(None) is None
    first, second, again = of("http://a", Tick=1), of("http://b", Tick=2), of("http://a", Tick=3)
    for record in (first, second, again):
        known.take(record)
    assert (second, again) == known.records
    assert again == known.latest == known.of("http://a") == known.of(None)
    assert second == known.of("http://b")
    assert known.of("http://c") is None
    assert not known.is_complete("http://a")
    known.take(of("http://c", **dict.fromkeys(SCHEMA_IDS, 9)))
    assert known.is_complete("http://c")
    assert not known.is_complete("http://d")


def test_records_are_written_with_the_ids_of_one_registry() -> None:
    """That with the address, or the last; and read with those of all."""
    known = KnownIds()
    with ids_as_before():
        for record in (of("http://a", Tick=101), of("http://b", Tick=102)):
            known.take(record)
        for address, expected in (("http://a", 101), (None, 102), ("http://c", TICK)):
            use(known, address)
            assert expected == id_of(encode(Tick(1)))
        known.take(fixed_ids(1))
        use(known)
        assert TICK == id_of(encode(Tick(1)))


def test_a_command_without_kafka_says_so_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the ids fails silently without Kafka, and loudly for ids that contradict."""
    use_logged_ids(Settings())
    use_logged_ids(Settings(kafka_bootstrap_servers="127.0.0.1:9"))

    async def contradictory(_: Settings) -> KnownIds:
        known = KnownIds()
        known.take(of("http://a", Tick=101, Call=101))
        return known

    monkeypatch.setattr("pipeline.runtime.schema_ids.read_known", contradictory)
    with ids_as_before(), pytest.raises(UnusableIds, match="means another"):
        use_logged_ids(Settings(kafka_bootstrap_servers="127.0.0.1:9"))
