"""Avro's schema resolution, checked against Avro's own implementation."""

import json
from typing import Any

import avro.compatibility
import avro.schema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.registry.avro_schemas import parse
from schemas.registry.compatibility import incompatibilities

PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "string", "bytes"]
ENUMS = st.lists(st.sampled_from("ABC"), min_size=1, unique=True).map(
    lambda symbols: {"type": "enum", "name": "n.E", "symbols": symbols}
)
FIXED = st.builds(
    lambda name, size: {"type": "fixed", "name": name, "size": size},
    st.sampled_from(["n.F", "n.G"]), st.integers(1, 2),
)  # fmt: skip


def _field(name: str, kind: Any, *, optional: bool) -> Any:
    if not optional:
        return {"name": name, "type": kind}
    return {"name": name, "type": ["null", kind], "default": None}


def _record(kinds: dict[str, tuple[Any, bool]]) -> Any:
    fields = [_field(name, kind, optional=optional) for name, (kind, optional) in kinds.items()]
    return {"type": "record", "name": "n.R", "fields": fields}


LEAVES = st.sampled_from(PRIMITIVES[1:])
NESTED = st.one_of(
    LEAVES,
    LEAVES.map(lambda items: {"type": "array", "items": items}),
    LEAVES.map(lambda values: {"type": "map", "values": values}),
)
SCHEMAS = st.one_of(
    NESTED,
    ENUMS,
    FIXED,
    st.lists(st.sampled_from(PRIMITIVES), min_size=1, max_size=3, unique=True),
    st.dictionaries(st.sampled_from("abc"), st.tuples(NESTED, st.booleans())).map(_record),
)


@given(reader=SCHEMAS, writer=SCHEMAS)
def test_the_answer_is_avros(reader: Any, writer: Any) -> None:
    """Two schemas are compatible if Avro says so."""
    theirs = avro.compatibility.ReaderWriterCompatibilityChecker().get_compatibility(
        avro.schema.parse(json.dumps(reader)), avro.schema.parse(json.dumps(writer))
    )
    expected = theirs.compatibility is avro.compatibility.SchemaCompatibilityType.compatible
    found = incompatibilities(parse(json.dumps(reader)), parse(json.dumps(writer)))
    assert expected == (not found), (found, theirs.messages)


def _node(**other: Any) -> str:
    next_node = {"name": "next", "type": ["null", "n.Node"], "default": None}
    fields = [{"name": "value", "type": "int"}, next_node]
    return json.dumps({"type": "record", "name": "n.Node", "fields": fields} | other)


@pytest.mark.parametrize("alias", ["Node", "n.Node"])
def test_an_alias_of_the_reader_is_the_writers_name(alias: str) -> None:
    """A renamed record or field can read data that has the earlier name, one way."""
    renamed = {"type": "record", "name": "n.Link", "aliases": [alias]}
    field = {"name": "number", "type": "int", "aliases": ["value"]}
    reader = parse(json.dumps(renamed | {"fields": [field]}))
    assert [] == incompatibilities(reader, parse(_node()))
    assert [] != incompatibilities(parse(_node()), reader)


def test_an_enum_with_a_default_reads_other_symbols() -> None:
    """Symbols that the reader does not know become its default."""
    writer = {"type": "enum", "name": "n.E", "symbols": ["A", "B"]}
    reader = {"type": "enum", "name": "n.E", "symbols": ["A"]}
    assert [] != incompatibilities(parse(json.dumps(reader)), parse(json.dumps(writer)))
    reader["default"] = "A"
    assert [] == incompatibilities(parse(json.dumps(reader)), parse(json.dumps(writer)))
