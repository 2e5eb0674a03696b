"""The fixed ids."""

import json

import pytest

from schemas.ids import EARLIER_IDS, OUR_IDS, SCHEMA_IDS, schema_text, versions
from schemas.registry.probe import RESERVED_ID
from schemas.unions import UNION_VERSIONS


def test_every_id_is_within_the_block() -> None:
    """Ids are within our block, each has one meaning, and the reserved one has none."""
    unions = [union.schema_id for each in UNION_VERSIONS.values() for union in each]
    every = [*unions, *(number for name in SCHEMA_IDS for number in versions(name))]
    assert len(every) == len(set(every))
    assert set(every) < set(OUR_IDS) - {RESERVED_ID}


@pytest.mark.parametrize("name", EARLIER_IDS)
def test_each_version_has_a_text(name: str) -> None:
    """Versions count from 1; None is the current version. Its id comes last."""
    every = versions(name)
    assert SCHEMA_IDS[name] == every[-1]
    assert schema_text(name) == schema_text(name, len(every))
    texts = [json.loads(schema_text(name, number)) for number in range(1, len(every) + 1)]
    assert all(name == text["name"] for text in texts)
    assert len(every) == len({json.dumps(text) for text in texts})
