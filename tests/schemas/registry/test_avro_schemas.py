"""Avro schemas as trees."""

import json
from typing import Any

from schemas.registry.avro_schemas import parse
from schemas.registry.compatibility import incompatibilities


def _node(**other: Any) -> str:
    next_node = {"name": "next", "type": ["null", "n.Node"], "default": None}
    fields = [{"name": "value", "type": "int"}, next_node]
    return json.dumps({"type": "record", "name": "n.Node", "fields": fields} | other)


def test_a_record_within_itself_ends() -> None:
    """A list of records is compatible with itself; with another value type only one way."""
    longer = _node().replace('"int"', '"long"')
    assert [] == incompatibilities(parse(_node()), parse(_node()))
    assert [] == incompatibilities(parse(longer), parse(_node()))
    (problem,) = incompatibilities(parse(_node()), parse(longer))
    assert "/value/" in problem
