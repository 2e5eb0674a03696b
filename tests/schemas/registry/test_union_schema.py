"""The schema of a union is made of the schemas of its record types."""

import json
from typing import Any

import pytest

from schemas.registry.union_schema import union_text
from schemas.unions import UNION_VERSIONS, UnionVersion


def test_a_type_in_two_records_is_defined_once() -> None:
    """In the first record. The others name it."""
    latest = UNION_VERSIONS["media"][-1]
    records: list[Any] = json.loads(union_text(latest))
    assert list(latest.members) == [record["name"] for record in records]
    batch, dropped = (json.dumps(records[n]) for n in (1, 2))
    assert '"name": "Run"' in batch
    assert '"name": "Run"' not in dropped
    assert '"flexcapture.Run"' in dropped


@pytest.mark.parametrize("topic", UNION_VERSIONS)
def test_each_type_is_defined_in_its_place(topic: str) -> None:
    """No type of the union is only named: fastavro cannot read a record into such a union. A record
    type that another contains must come before it."""
    for union in UNION_VERSIONS[topic]:
        assert all(isinstance(member, dict) for member in json.loads(union_text(union)))


def test_two_definitions_of_a_name_are_refused() -> None:
    """They would make a union that Avro cannot parse."""
    with pytest.raises(ValueError, match=r"flexcapture\.\w+ has two definitions"):
        union_text(UnionVersion(0, {"RecordingSegment": 1, "RecorderCheckpoint": 5}))
