"""The unions of topics with several record types: their ids, their history, and their records."""

import io
import itertools
import json
from typing import Any

import avro.compatibility
import avro.io
import avro.schema
import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import SCHEMA_IDS, Undecodable, decode, versions
from schemas.dataclass_reader import parsed, without_logical_types
from schemas.ids import schema_text
from schemas.registry.union_schema import union_text
from schemas.topics import ALL
from schemas.unions import UNION_VERSIONS, UnionVersion
from tests.examples import examples
from tests.schemas.avro_values import values_of

UNION_IDS = range(0x4643F001, 0x46440000)
"""The part of our ids that unions have."""
EVERY_MEMBER = [
    (union, index)
    for unions in UNION_VERSIONS.values()
    for union in unions
    for index in range(len(union.members))
]


def test_each_topic_with_several_record_types_has_a_union() -> None:
    """It has these types with their current schemas. If this fails because a schema or a topic has
    changed: add a version with a new id to `UNION_VERSIONS`."""
    for topic in ALL:
        found = UNION_VERSIONS.get(topic.name, ())
        assert bool(found) == (len(topic.records) > 1)
        if found:
            current = {name: len(versions(name)) for name in topic.records}
            assert current == dict(found[-1].members), topic.name
    assert UNION_VERSIONS.keys() <= {topic.name for topic in ALL}


def test_each_union_has_an_id_of_its_own() -> None:
    """All are in the block of unions, in which no record type has an id."""
    every = [union.schema_id for unions in UNION_VERSIONS.values() for union in unions]
    assert len(every) == len(set(every))
    assert set(every) <= set(UNION_IDS)
    assert set(UNION_IDS).isdisjoint(n for name in SCHEMA_IDS for n in versions(name))


@pytest.mark.parametrize("topic", UNION_VERSIONS)
def test_a_version_reads_all_earlier_ones(topic: str) -> None:
    """Avro's own checker finds no conflict: BACKWARD_TRANSITIVE."""
    checker = avro.compatibility.ReaderWriterCompatibilityChecker()
    compatible = avro.compatibility.SchemaCompatibilityType.compatible
    parsed = [avro.schema.parse(union_text(union)) for union in UNION_VERSIONS[topic]]
    for number, newer in enumerate(parsed, 1):
        for older in parsed[:number]:
            found = checker.get_compatibility(newer, older)
            assert compatible is found.compatibility, found.messages


@pytest.mark.parametrize("topic", UNION_VERSIONS)
def test_types_keep_their_places(topic: str) -> None:
    """A later version begins with the types of the one before it, in the same order."""
    orders = [list(union.members) for union in UNION_VERSIONS[topic]]
    for before, after in itertools.pairwise(orders):
        assert before == after[: len(before)]


@pytest.mark.parametrize(("union", "index"), EVERY_MEMBER)
@given(data=st.data())
@settings(max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_record_of_a_union_is_read(union: UnionVersion, index: int, data: st.DataObject) -> None:
    """A record that fastavro or Avro's own library wrote with the union is read like one that was
    written with the schema of its type."""
    name, version = list(union.members.items())[index]
    plain = data.draw(values_of(name, version))
    schema_id = versions(name)[version - 1]
    alone = _header(schema_id) + _by_fastavro(parsed(schema_text(name, version)), plain)
    schema = without_logical_types(json.loads(union_text(union)))
    full_name = f"flexcapture.{name}"
    body = _by_fastavro(fastavro.parse_schema(schema), (full_name, plain))
    assert decode(alone) == decode(_header(union.schema_id) + body)
    theirs = avro.schema.parse(json.dumps(schema))
    read = avro.io.DatumReader(theirs).read(avro.io.BinaryDecoder(io.BytesIO(body)))
    assert plain == read


@given(st.sampled_from(EVERY_MEMBER), st.binary(max_size=40))
def test_rubbish_is_refused(member: tuple[UnionVersion, int], rubbish: bytes) -> None:
    """Bytes that are no record of the union raise `Undecodable` and nothing else."""
    try:
        decode(_header(member[0].schema_id) + rubbish)
    except Undecodable:
        return


@pytest.mark.parametrize("index", [b"", b"\x80", b"\x01", b"\x08", b"\xff" * 12])
def test_an_index_that_the_union_does_not_have(index: bytes) -> None:
    """An absent, broken, negative or too great index is named."""
    (first,) = UNION_VERSIONS["recordings"][:1]
    with pytest.raises(Undecodable, match="0x4643f005"):
        decode(_header(first.schema_id) + index)


def _header(schema_id: int) -> bytes:
    return b"\0" + schema_id.to_bytes(4)


def _by_fastavro(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, value)
    return out.getvalue()
