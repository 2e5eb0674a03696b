"""The migration of databases of earlier versions, with their contents, to this version."""

import json
from hashlib import sha256
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, text

from pipeline.store.database import MIGRATIONS, migrate, open_database
from pipeline.store.repository import Repository
from schemas.records import Contact, ContactGap
from tests.pipeline.store.contacts import NOON

ENDED = NOON + 60_000


def migrated_to(revision: str, engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def insert(connection: Connection, table: str, **values: Any) -> None:
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), values)


def old_contact(
    connection: Connection,
    task: str,
    *,
    recordings: tuple[tuple[str, int, int | None], ...] = (),
    decisions: tuple[tuple[int, str], ...] = ((2_000, "record"), (60_000, "stop")),
    lost: int = 0,
    **changes: Any,
) -> None:
    """A contact as version 0002 kept it. Recordings are (stream SID, start, duration), decisions
    (at, decision); times are ms after noon."""
    values = {
        "contact_id": task, "task_sid": task, "direction": "inbound", "customer": None,
        "queue": None, "started_at": NOON, "ended_at": ENDED, "state": "ended",
        "outcome": "answered", "connections": "[]", "streams": "[]", "in_progress": False,
        "searched": task, "revision": 1, "updated_at": ENDED,
    }  # fmt: skip
    insert(connection, "contacts", **values | changes)
    for sid, start, duration in recordings:
        insert(
            connection, "recordings", stream_sid=sid, contact_id=task, inum=inum_of(start),
            call_sid="CA1", extension="ann", extensions=json.dumps(["ann"]),
            state="recording" if duration is None else "complete", started_at=NOON + start,
            duration_ms=duration, received=5, lost=lost, duplicate=0, invalid=0,
            audio="a.wav", manifest="a.json",
        )  # fmt: skip
    for at, decision in decisions:
        insert(
            connection, "decisions", contact_id=task, at=NOON + at, decision=decision, reason="r",
            policy_version=1,
        )  # fmt: skip


def inum_of(start: int) -> str:
    return f"{(NOON + start) // 1000}{start % 10**8:08}"


def gap(start: int, end: int, after: str = "", before: str = "") -> ContactGap:
    return ContactGap(NOON + start, NOON + end, after, before)


def account(contact: Contact) -> tuple[str, int, int, tuple[ContactGap, ...]]:
    return contact.capture, contact.required_ms, contact.captured_ms, contact.gaps


FIRST, SECOND, LATE = inum_of(2_100), inum_of(32_000), inum_of(30_000)


@pytest.mark.parametrize(
    ("old", "expected"),
    [
        ({"ended_at": None, "state": "active"}, ("pending", 0, 0, ())),
        ({"recordings": (("MZ1", 2_100, None),)}, ("pending", 0, 0, ())),
        ({"decisions": ()}, ("not-required", 0, 0, ())),
        ({"decisions": ((2_000, "do-not-record"),)}, ("not-required", 0, 0, ())),
        ({}, ("missing", 58_000, 0, (gap(2_000, 60_000),))),
        (
            {"recordings": (("MZ1", 2_100, 57_800),), "lost": 5},
            ("complete", 58_000, 57_950, ()),
        ),
        (
            {"recordings": (("MZ1", 2_100, 20_000), ("MZ2", 32_000, 28_000))},
            ("partial", 58_000, 48_100, (gap(22_100, 32_000, FIRST, SECOND),)),
        ),
        (
            {"recordings": (("MZ1", 30_000, 10_000),)},
            (
                "partial", 58_000, 10_000,
                (gap(2_000, 30_000, "", LATE), gap(40_000, 60_000, LATE, "")),
            ),
        ),
        (
            {"recordings": (("MZ1", 30_000, 30_000),), "direction": "outbound"},
            ("complete", 30_000, 30_000, ()),
        ),
        ({"direction": "outbound", "outcome": "unanswered"}, ("not-required", 0, 0, ())),
    ],
)  # fmt: skip
def test_contacts_of_an_earlier_version_are_accounted_for(
    database_url: str, old: dict[str, Any], expected: tuple[str, int, int, tuple[ContactGap, ...]]
) -> None:
    """Capture, required and captured time and gaps follow from the decisions and recordings."""
    engine = open_database(database_url)
    migrated_to("0002", engine)
    with engine.begin() as connection:
        old_contact(connection, "WT1", **old)
    migrate(engine)
    found = Repository(engine).contact("WT1")
    assert found is not None
    assert expected == account(found)
    engine.dispose()


def test_recordings_of_an_earlier_version_keep_their_place(database_url: str) -> None:
    """Each has a key made of INUM and stream SID, and its counts; states are still there; and a
    state may be saved before its contact."""
    engine = open_database(database_url)
    migrated_to("0002", engine)
    with engine.begin() as connection:
        for number in range(3):
            streams = tuple(
                (f"MZ{number}-{n:04}", n * 1_000, 1_000) for n in range(700 if number else 1)
            )
            old_contact(connection, f"WT{number}", recordings=streams, lost=2)
        insert(connection, "contact_states", contact_id="WT1", state=b"x")
    migrate(engine)
    repository = Repository(engine)
    found = [repository.contact(f"WT{number}") for number in range(3)]
    assert [1, 700, 700] == [len(contact.recordings) for contact in found if contact]
    assert found[1] is not None
    first = found[1].recordings[0]
    digest = sha256(b"MZ1-0000").hexdigest()[:16]
    assert (f"{inum_of(0)}-{digest}", "MZ1-0000") == (first.recording_id, first.stream_sid)
    assert (5, 2, ("ann",), "", "stream") == (
        first.received, first.lost, first.extensions, first.supplement_of, first.source,
    )  # fmt: skip
    assert 0 == repository.count_unmatched()
    with engine.connect() as connection:
        states = connection.execute(text("SELECT contact_id FROM contact_states")).scalars().all()
    assert ["WT1"] == states
    repository.save_unmatched("WT9", [first], b"state")
    assert b"state" == repository.state_of("WT9")
    engine.dispose()
