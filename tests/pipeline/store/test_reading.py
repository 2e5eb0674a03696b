"""Rows of the database become the records that they were made of."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Engine, create_engine, event, insert, select
from sqlalchemy.orm import Session as DatabaseSession

from pipeline.store.models import (
    Base,
    ContactRow,
    DecisionRow,
    LegRow,
    RecordingRow,
    SessionRow,
)
from pipeline.store.reading import contacts_of, stored_recording
from pipeline.store.search import StoredRecording
from pipeline.store.statements import contact_row, plain, recording_rows, session_rows
from schemas.records import Contact, ContactDecision, ReconciledPart, Reconciliation
from tests.pipeline.store.contacts import CONTACT, LIVE, NOON, RECORDING, numbered


@pytest.fixture
def engine() -> Iterator[Engine]:
    """A database in memory."""
    made = create_engine("sqlite://")
    Base.metadata.create_all(made)
    yield made
    made.dispose()


def read(engine: Engine, *contacts: Contact) -> tuple[Contact, ...]:
    """Write the rows of contacts, and read them in the order of the contacts."""
    with DatabaseSession(engine) as session:
        for each in contacts:
            owner = {"contact_id": each.contact_id}
            rows = {
                ContactRow: [contact_row(each)],
                SessionRow: session_rows(each),
                LegRow: [{**owner, "call_sid": sid} for sid in each.call_sids],
                RecordingRow: recording_rows(each.task_sid, each.contact_id, each.recordings),
                DecisionRow: [{**owner, **plain(decision)} for decision in each.decisions],
            }
            for table, values in rows.items():
                if values:
                    session.execute(insert(table.__table__), values)
        found = {row.contact_id: row for row in session.scalars(select(ContactRow))}
        return contacts_of(session, [found[each.contact_id] for each in contacts])


def test_each_contact_has_its_own_parts(engine: Engine) -> None:
    """In the order of the rows; a contact without parts has none of another."""
    bare = numbered(1, sessions=(), decisions=(), call_sids=())
    other = numbered(2, recordings=(replace(RECORDING, recording_id="another"),))
    assert (other, bare, CONTACT, LIVE) == read(engine, other, bare, CONTACT, LIVE)


def test_parts_are_in_the_order_of_time(engine: Engine) -> None:
    """Decisions by their time, recordings by their start and then their id, legs by SID. Sessions
    keep the order that the contact gave them."""
    decisions = tuple(ContactDecision(NOON + at, "record", "r", 1) for at in (9, 3, 6))
    recordings = tuple(
        replace(RECORDING, recording_id=name, started_at=NOON + at)
        for name, at in (("c", 1), ("b", 5), ("a", 5))
    )
    sessions = CONTACT.sessions[::-1]
    (found,) = read(
        engine,
        replace(
            CONTACT, decisions=decisions, recordings=recordings, sessions=sessions,
            call_sids=("CA9", "CA1"),
        ),
    )  # fmt: skip
    assert [NOON + 3, NOON + 6, NOON + 9] == [each.at for each in found.decisions]
    assert ["c", "a", "b"] == [each.recording_id for each in found.recordings]
    assert (("CA1", "CA9"), sessions) == (found.call_sids, found.sessions)


def test_a_reconciliation_is_read_with_its_parts(engine: Engine) -> None:
    """Its lists in JSON become tuples of records again."""
    part = ReconciledPart("WR1", "recovered", "not-received")
    found = Reconciliation(
        task_sid=CONTACT.task_sid, result="incomplete", reason="", policy_version=3,
        reservations=(part,), conferences=(part,), recording_sids=("RE1", "RE2"),
        added_events=2, checked_at=NOON, updated_at=NOON,
    )  # fmt: skip
    contact = replace(CONTACT, reconciliation=found)
    assert (contact,) == read(engine, contact)


def test_a_page_of_contacts_takes_a_fixed_number_of_queries(engine: Engine) -> None:
    """One for each kind of part, for any number of contacts."""

    def queries(contacts: Sequence[Contact]) -> int:
        count: list[str] = []
        read(engine, *contacts)
        with DatabaseSession(engine) as session:
            rows = session.scalars(select(ContactRow)).all()
            event.listen(engine, "before_cursor_execute", lambda *a: count.append(a[2]))
            contacts_of(session, rows)
        return len(count)

    assert 4 == queries([numbered(n) for n in range(20)])


def test_a_stored_recording_names_its_task_and_contact(engine: Engine) -> None:
    """Without a contact while the task is not known to be one."""
    with DatabaseSession(engine) as session:
        session.execute(insert(RecordingRow.__table__), recording_rows("WT9", None, [RECORDING]))
        (row,) = session.scalars(select(RecordingRow))
        assert StoredRecording(RECORDING, "WT9", None) == stored_recording(row)
