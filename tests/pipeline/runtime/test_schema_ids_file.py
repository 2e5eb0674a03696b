"""The ids of schemas that are kept in the state directory."""

from pathlib import Path

import pytest

from pipeline.runtime.schema_ids import KnownIds
from pipeline.runtime.schema_ids_file import load_ids, save_ids
from pipeline.runtime.settings import Settings
from schemas.codec import SCHEMA_IDS
from schemas.records import RegisteredSchema, RegisteredSchemas

RECORDS = tuple(
    RegisteredSchemas(
        address, 1, (RegisteredSchema(SCHEMA_IDS["RegisteredSchemas"], "x", number, (5,)),)
    )
    for number, address in enumerate(("http://a", "http://b"), 7)
)


def test_what_was_kept_is_loaded(tmp_path: Path) -> None:
    """In the same order; by topic prefix; and no other file is left."""
    settings = Settings(state_dir=tmp_path / "state", topic_prefix="p.")
    known = KnownIds()
    for record in RECORDS:
        known.take(record)
    save_ids(settings, known)
    save_ids(settings, known)
    assert RECORDS == load_ids(settings).records
    assert () == load_ids(Settings(state_dir=tmp_path / "state")).records
    assert ["p.schema-ids"] == [path.name for path in (tmp_path / "state").iterdir()]


@pytest.mark.parametrize("content", ["", "[1]", '["00"]', "{}", '["zz"]', "[[]]"])
def test_a_damaged_file_counts_as_none(tmp_path: Path, content: str) -> None:
    """A role starts with it as without one."""
    (tmp_path / "schema-ids").write_text(content)
    assert () == load_ids(Settings(state_dir=tmp_path)).records


def test_there_may_be_no_state_directory(tmp_path: Path) -> None:
    """Then nothing is kept. The same holds if no file can be written."""
    save_ids(Settings(), KnownIds())
    assert () == load_ids(Settings()).records
    (tmp_path / "file").touch()
    save_ids(Settings(state_dir=tmp_path / "file"), KnownIds())
