"""Required and captured time, and recordings with their own key.

Before, the key of a recording was its stream SID, so that a second recording of the same media
stream replaced the first. Rows of earlier versions are kept; their key is made of the INUM and the
stream SID. For contacts of earlier versions, `capture` and the gaps are computed from the stored
decisions and recordings (see `_account`). The consolidator computes them again from the call's
events when a further record of the call arrives.
"""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ROWS_AT_ONCE = 1_000
EDGE_MS = 1_000
"""A shorter time before the first recording, or after the last, is no gap."""
FRAME_MS = 20
"""A shorter time between two recordings is no gap."""
LOST_FRAME_MS = 10
"""A lost frame is 20 ms of one of two tracks."""

_COUNTS = ("received", "lost", "duplicate", "invalid")
_NEW_COUNTS = ("lost_at_end", "withheld", "withheld_ms")

Span = tuple[int, int]


def upgrade() -> None:
    """Change the tables, and compute the new columns of existing rows."""
    _recordings()
    _contact_states()
    _contacts()


def downgrade() -> None:
    """Refuse: the old tables have no place for supplements and unmatched recordings."""
    raise NotImplementedError("version 0003 cannot be undone: restore a backup")


# Recordings


def _recordings() -> None:
    op.create_table(
        "recordings_new",
        sa.Column("recording_id", sa.String(255), primary_key=True),
        sa.Column("contact_id", sa.String(255), sa.ForeignKey("contacts.contact_id")),
        sa.Column("task_sid", sa.String(255), nullable=False),
        sa.Column("inum", sa.String(32), nullable=False),
        sa.Column("call_sid", sa.String(255), nullable=False),
        sa.Column("stream_sid", sa.String(255), nullable=False),
        sa.Column("extension", sa.String(255)),
        sa.Column("extensions", sa.JSON, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("duration_ms", sa.BigInteger),
        *[sa.Column(name, sa.BigInteger, nullable=False) for name in _COUNTS],
        sa.Column("audio", sa.Text),
        sa.Column("manifest", sa.Text),
        sa.Column("supplement_of", sa.String(32), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("lost_for", sa.JSON, nullable=False),
        *[sa.Column(name, sa.BigInteger, nullable=False) for name in _NEW_COUNTS],
    )
    _copy_recordings()
    op.drop_table("recordings")
    op.rename_table("recordings_new", "recordings")
    op.create_index("recordings_contact", "recordings", ["contact_id", "started_at"])
    op.create_index("recordings_inum", "recordings", ["inum"])
    op.create_index("recordings_task", "recordings", ["task_sid"])


def _copy_recordings() -> None:
    connection = op.get_bind()
    tables = sa.MetaData()
    tables.reflect(connection, only=["recordings", "recordings_new", "contacts"])
    old, new, contacts = (tables.tables[n] for n in ("recordings", "recordings_new", "contacts"))
    query = (
        sa.select(old, contacts.c.task_sid)
        .join(contacts, contacts.c.contact_id == old.c.contact_id)
        .order_by(old.c.stream_sid)
        .limit(ROWS_AT_ONCE)
    )
    last = ""
    while rows := connection.execute(query.where(old.c.stream_sid > last)).mappings().all():
        connection.execute(sa.insert(new), [_recording(row) for row in rows])
        last = rows[-1]["stream_sid"]


def _recording(row: Any) -> dict[str, Any]:
    digest = hashlib.sha256(row["stream_sid"].encode()).hexdigest()
    return {
        **row,
        "recording_id": f"{row['inum']}-{digest[:16]}",
        "supplement_of": "",
        "source": "stream",
        # Earlier versions kept the reasons in the manifest only.
        "lost_for": {"unknown": row["lost"]} if row["lost"] else {},
        **dict.fromkeys(_NEW_COUNTS, 0),
    }


# States


def _contact_states() -> None:
    """Drop the foreign key, which SQLite can do only with a new table."""
    op.create_table(
        "contact_states_new",
        sa.Column("contact_id", sa.String(255), primary_key=True),
        sa.Column("state", sa.LargeBinary, nullable=False),
    )
    op.execute(
        "INSERT INTO contact_states_new (contact_id, state) "
        "SELECT contact_id, state FROM contact_states"
    )
    op.drop_table("contact_states")
    op.rename_table("contact_states_new", "contact_states")


# Contacts


def _contacts() -> None:
    for column in (
        sa.Column("capture", sa.String(16), nullable=False, server_default="pending"),
        sa.Column("required_ms", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("captured_ms", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("gaps", sa.JSON, nullable=False, server_default="[]"),
    ):
        op.add_column("contacts", column)
    op.create_index("contacts_capture", "contacts", ["capture", "started_at"])
    _account_for_contacts()


def _account_for_contacts() -> None:
    connection = op.get_bind()
    tables = sa.MetaData()
    tables.reflect(connection, only=["contacts"])
    contacts = tables.tables["contacts"]
    query = sa.select(contacts).order_by(contacts.c.contact_id).limit(ROWS_AT_ONCE)
    update = (
        sa.update(contacts)
        .where(contacts.c.contact_id == sa.bindparam("owner"))
        .values({name: sa.bindparam(name) for name in _ACCOUNT})
    )
    last = ""
    while rows := connection.execute(query.where(contacts.c.contact_id > last)).mappings().all():
        ids = [row["contact_id"] for row in rows]
        recordings = _of_contacts(connection, "recordings", ids)
        decisions = _of_contacts(connection, "decisions", ids)
        accounts = [
            {
                "owner": row["contact_id"],
                **_account(
                    row, recordings.get(row["contact_id"], []), decisions.get(row["contact_id"], [])
                ),
            }
            for row in rows
        ]
        connection.execute(update, accounts)
        last = ids[-1]


def _of_contacts(connection: Any, name: str, ids: Sequence[str]) -> dict[str, list[Any]]:
    tables = sa.MetaData()
    tables.reflect(connection, only=[name], resolve_fks=False)
    table = tables.tables[name]
    order = table.c.started_at if name == "recordings" else table.c.at
    query = sa.select(table).where(table.c.contact_id.in_(ids)).order_by(table.c.contact_id, order)
    rows = connection.execute(query).mappings().all()
    return {owner: list(found) for owner, found in groupby(rows, lambda row: row["contact_id"])}


_ACCOUNT = ("capture", "required_ms", "captured_ms", "gaps")


def _account(contact: Any, recordings: Sequence[Any], decisions: Sequence[Any]) -> dict[str, Any]:
    """Return the account of a contact of an earlier version, by its decisions. Required is the time
    from a decision `record` until the next other decision, or until the contact's end. On an
    outbound call, the time before the first recording is not required: when it was answered is not
    known here."""
    if contact["ended_at"] is None or any(row["duration_ms"] is None for row in recordings):
        return dict(zip(_ACCOUNT, ("pending", 0, 0, []), strict=True))
    required = list(_required(decisions, contact["ended_at"]))
    if contact["direction"] == "outbound":
        required = _since_answer(contact, recordings, required)
    found = [gap for span in required for gap in _gaps(span, recordings)]
    total = sum(end - start for start, end in required)
    missing = sum(gap["ended_at"] - gap["started_at"] for gap in found)
    lost = LOST_FRAME_MS * sum(row["lost"] for row in recordings)
    captured = max(0, total - missing - lost)
    values = _capture(total, captured, is_whole=not found), total, captured, found
    return dict(zip(_ACCOUNT, values, strict=True))


def _capture(required_ms: int, captured_ms: int, *, is_whole: bool) -> str:
    if not required_ms:
        return "not-required"
    if is_whole:
        return "complete"
    return "partial" if captured_ms else "missing"


def _since_answer(contact: Any, recordings: Sequence[Any], required: Sequence[Span]) -> list[Span]:
    if not recordings:
        return list(required) if contact["outcome"] == "answered" else []
    first = recordings[0]["started_at"]
    return [(max(start, first), end) for start, end in required if end > first]


def _required(decisions: Sequence[Any], ended_at: int) -> Iterator[Span]:
    began: int | None = None
    for row in decisions:
        if row["decision"] == "record":
            began = row["at"] if began is None else began
        elif began is not None:
            if row["at"] > began:
                yield began, row["at"]
            began = None
    if began is not None and ended_at > began:
        yield began, ended_at


def _gaps(required: Span, recordings: Sequence[Any]) -> Iterator[dict[str, Any]]:
    start, end = required
    spans = [
        (row["started_at"], row["started_at"] + row["duration_ms"], row["inum"])
        for row in recordings
        if row["duration_ms"] > 0
    ]
    covered, after = start, ""
    for begins, ends, inum in [s for s in spans if s[1] > start and s[0] < end]:
        shortest = FRAME_MS if after else EDGE_MS
        if begins - covered >= shortest:
            yield _gap(covered, begins, after or _before(spans, covered), inum)
        if ends > covered:
            covered, after = ends, inum
    if end - covered >= EDGE_MS:
        following = next((inum for begins, _, inum in spans if begins >= end), "")
        yield _gap(covered, end, after or _before(spans, covered), following)


def _before(spans: Sequence[tuple[int, int, str]], at: int) -> str:
    return max([(ends, inum) for _, ends, inum in spans if ends <= at], default=(0, ""))[1]


def _gap(started_at: int, ended_at: int, after: str, before: str) -> dict[str, Any]:
    return {
        "started_at": started_at,
        "ended_at": ended_at,
        "after": after,
        "before": before,
        "reason": "unknown",
        "covered_by": "",
    }
