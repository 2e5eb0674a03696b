"""The statements that write a contact, and their rows. Their effects on SQLite and on
PostgreSQL: test_repository.py and test_recordings.py."""

from dataclasses import replace
from hashlib import sha256

import pytest
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.store.models import RecordingRow
from pipeline.store.statements import (
    contact_row,
    legacy_rows,
    plain,
    recording_id,
    recording_rows,
    session_rows,
    statements,
)
from tests.pipeline.store.contacts import CONTACT, RECORDING

LEGACY = f"{RECORDING.inum}-{sha256(RECORDING.stream_sid.encode()).hexdigest()[:16]}"
DIALECTS = {"sqlite": sqlite.dialect(), "postgresql": postgresql.dialect()}


def test_the_rows_fill_all_columns() -> None:
    """A column without a value would silently keep its default."""
    made = statements("sqlite")
    for statement, row in (
        (made.contact, contact_row(CONTACT)),
        (made.session, session_rows(CONTACT)[0]),
        (made.recording, recording_rows("WT1", None, [RECORDING])[0]),
    ):
        assert {column.name for column in statement.table.columns} <= set(row)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_complete_recording_keeps_all_but_what_follows_from_the_call(name: str) -> None:
    """Each column of an existing row has a rule: fixed, kept if complete, or always new."""
    sql = str(statements(name).recording.compile(dialect=DIALECTS[name]))
    _, _, update = sql.partition("DO UPDATE SET")
    changed = {line.split(" = ")[0].strip() for line in update.split(", ") if " = " in line}
    columns = {column.name for column in RecordingRow.__table__.columns}
    assert columns - {"recording_id", "task_sid"} == changed
    always = {line.split(" = ")[0].strip() for line in update.split(", ") if "CASE" not in line}
    assert {"extension", "extensions", "withheld_because"} <= always
    assert "inum = CASE WHEN" in update
    assert "recordings.task_sid = excluded.task_sid" in update


def test_a_dialect_has_its_statements_made_once() -> None:
    """Making them takes longer than executing one."""
    assert statements("sqlite") is statements("sqlite")
    assert statements("sqlite") is not statements("postgresql")


def test_sessions_are_numbered_in_their_order() -> None:
    """Their position is a part of the key."""
    rows = session_rows(CONTACT)
    assert [0, 1, 2] == [row["position"] for row in rows]
    assert {CONTACT.contact_id} == {row["contact_id"] for row in rows}


def test_a_contact_is_found_by_its_text() -> None:
    """The row has the searched text, and nested records as plain values for JSON."""
    row = contact_row(CONTACT)
    assert "billing" in row["searched"]
    assert [{**plain(CONTACT.gaps[0])}] == row["gaps"]
    assert (None, None) == (row["reconciliation"], row["reconciled"])


def test_a_recording_without_a_key_gets_one() -> None:
    """Earlier versions reported none: it is made of the INUM and the stream SID."""
    assert RECORDING.recording_id == recording_id(RECORDING)
    assert LEGACY == recording_id(replace(RECORDING, recording_id=""))


def test_the_earlier_key_of_a_recording_is_removed() -> None:
    """Only for recordings that have a key of their own now."""
    earlier = replace(RECORDING, recording_id="")
    assert [{"owner": "WT1", "legacy": LEGACY}] == legacy_rows("WT1", [RECORDING, earlier])


def test_values_are_plain() -> None:
    """Tuples become lists, and the mapping of reasons a dictionary: JSON has no others."""
    (row,) = recording_rows("WT1", "WT1", [RECORDING])
    assert (list(RECORDING.extensions), dict) == (row["extensions"], type(row["lost_for"]))
    assert ("WT1", "WT1") == (row["task_sid"], row["contact_id"])
