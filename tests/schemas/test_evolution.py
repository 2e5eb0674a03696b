"""Every version of a schema can be read with every other one, since the first release and from now
on; unions only grow."""

import itertools
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import avro.compatibility
import avro.schema
import pytest

from schemas.codec import SCHEMA_IDS, schema_text, versions
from schemas.registry.union_schema import union_text
from schemas.unions import UNION_VERSIONS
from tools.schema_evolution import violations

RELEASED = json.loads((Path(__file__).parent / "schemas_of_9a0c1fa.json").read_text())
"""Of the commit 9a0c1fa: id and record type; hash of the schema without its documentation."""
PAIRS = [
    (name, older, newer)
    for name in SCHEMA_IDS
    for older, newer in itertools.combinations(range(1, len(versions(name)) + 1), 2)
]
OK = avro.compatibility.SchemaCompatibilityType.compatible


def _can_read(reader: str, writer: str) -> bool:
    checker = avro.compatibility.ReaderWriterCompatibilityChecker()
    found = checker.get_compatibility(avro.schema.parse(reader), avro.schema.parse(writer))
    return bool(found.compatibility is OK)


def _without_docs(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {name: _without_docs(each) for name, each in schema.items() if name != "doc"}
    return [_without_docs(each) for each in schema] if isinstance(schema, list) else schema


def _hash(schema: str) -> str:
    plain = _without_docs(json.loads(schema))
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:16]


def test_the_schemas_of_the_commit_are_unchanged() -> None:
    """Each is there, under its id, with the same fields, defaults and logical types."""
    assert len(RELEASED) > 30
    assert RELEASED == {
        key: _hash(schema_text(name, number))
        for name in SCHEMA_IDS
        for number, schema_id in enumerate(versions(name), 1)
        if (key := f"{schema_id:#010x} {name}") in RELEASED
    }


def test_versions_since_the_commit_come_after_its_own() -> None:
    """New ids are appended: the versions of the commit have the same numbers as then."""
    for name in {key.split()[1] for key in RELEASED}:
        known = [f"{schema_id:#010x} {name}" in RELEASED for schema_id in versions(name)]
        assert sorted(known, reverse=True) == known


@pytest.mark.parametrize(("name", "older", "newer"), PAIRS)
def test_versions_are_fully_compatible(name: str, older: int, newer: int) -> None:
    """FULL_TRANSITIVE: by Avro's own checker in both directions, and by our rules. Each pair is
    compared, so that a field that is gone never comes back with another type."""
    before, after = schema_text(name, older), schema_text(name, newer)
    assert _can_read(after, before)
    assert _can_read(before, after)
    assert [] == violations(json.loads(before), json.loads(after))


@pytest.mark.parametrize("topic", UNION_VERSIONS)
def test_unions_are_backward_compatible(topic: str) -> None:
    """BACKWARD_TRANSITIVE: a later version reads all earlier ones."""
    texts = [union_text(union) for union in UNION_VERSIONS[topic]]
    for before, after in itertools.combinations_with_replacement(texts, 2):
        assert _can_read(after, before)
        assert [] == violations(json.loads(before), json.loads(after))


def test_the_checker_of_avro_can_fail() -> None:
    """It finds a type that is not the other's."""
    record = {"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}]}
    other = {**record, "fields": [{"name": "x", "type": "string"}]}
    assert not _can_read(json.dumps(record), json.dumps(other))
