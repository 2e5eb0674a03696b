"""Convert rows of the database to records."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session as DatabaseSession

from pipeline.store.models import ContactRow, DecisionRow, LegRow, RecordingRow, SessionRow
from pipeline.store.search import StoredRecording
from schemas.records import (
    Contact,
    ContactConnection,
    ContactContradiction,
    ContactDecision,
    ContactGap,
    ContactRecording,
    ContactStream,
    ReconciledPart,
    Reconciliation,
    Session,
)


def contacts_of(session: DatabaseSession, rows: Sequence[ContactRow]) -> tuple[Contact, ...]:
    """Return the contacts of these rows, in their order."""
    ids = [row.contact_id for row in rows]
    sessions = _by_contact(
        session.scalars(
            select(SessionRow).where(SessionRow.contact_id.in_(ids)).order_by(SessionRow.position)
        )
    )
    legs = _by_contact(
        session.scalars(select(LegRow).where(LegRow.contact_id.in_(ids)).order_by(LegRow.call_sid))
    )
    recordings = _by_contact(
        session.scalars(
            select(RecordingRow)
            .where(RecordingRow.contact_id.in_(ids))
            .order_by(RecordingRow.started_at, RecordingRow.recording_id)
        )
    )
    decisions = _by_contact(
        session.scalars(
            select(DecisionRow)
            .where(DecisionRow.contact_id.in_(ids))
            .order_by(DecisionRow.at, DecisionRow.decision)
        )
    )
    return tuple(
        _contact(
            row,
            sessions.get(row.contact_id, []),
            legs.get(row.contact_id, []),
            recordings.get(row.contact_id, []),
            decisions.get(row.contact_id, []),
        )
        for row in rows
    )


def _by_contact(rows: Iterable[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row.contact_id, []).append(row)
    return found


def _contact(
    row: ContactRow,
    sessions: list[SessionRow],
    legs: list[LegRow],
    recordings: list[RecordingRow],
    decisions: list[DecisionRow],
) -> Contact:
    return Contact(
        contact_id=row.contact_id,
        task_sid=row.task_sid,
        direction=row.direction,
        customer=row.customer,
        queue=row.queue,
        started_at=row.started_at,
        ended_at=row.ended_at,
        state=row.state,
        outcome=row.outcome,
        sessions=tuple(
            Session(s.reservation_sid, s.extension, s.monitored, s.started_at, s.ended_at)
            for s in sessions
        ),
        recordings=tuple(_recording(recording) for recording in recordings),
        decisions=tuple(
            ContactDecision(d.at, d.decision, d.reason, d.policy_version) for d in decisions
        ),
        connections=tuple(ContactConnection(**plain) for plain in row.connections),  # type: ignore[arg-type]
        streams=tuple(ContactStream(**plain) for plain in row.streams),  # type: ignore[arg-type]
        call_sids=tuple(leg.call_sid for leg in legs),
        in_progress=row.in_progress,
        revision=row.revision,
        updated_at=row.updated_at,
        gaps=tuple(ContactGap(**plain) for plain in row.gaps),  # type: ignore[arg-type]
        capture=row.capture,
        required_ms=row.required_ms,
        captured_ms=row.captured_ms,
        contradictions=tuple(ContactContradiction(**plain) for plain in row.contradictions),  # type: ignore[arg-type]
        reconciliation=_reconciliation(row.reconciliation),
    )


def _reconciliation(plain: dict[str, Any] | None) -> Reconciliation | None:
    if plain is None:
        return None
    parts = {
        name: tuple(ReconciledPart(**part) for part in plain[name])
        for name in ("reservations", "conferences")
    }
    sids = tuple(plain["recording_sids"])
    return Reconciliation(**{**plain, **parts, "recording_sids": sids})


def stored_recording(row: RecordingRow) -> StoredRecording:
    """Return the recording of a row, with the task and the contact that it belongs to."""
    return StoredRecording(_recording(row), row.task_sid, row.contact_id)


def _recording(row: RecordingRow) -> ContactRecording:
    return ContactRecording(
        inum=row.inum,
        call_sid=row.call_sid,
        stream_sid=row.stream_sid,
        extension=row.extension,
        extensions=tuple(row.extensions),
        state=row.state,
        started_at=row.started_at,
        duration_ms=row.duration_ms,
        received=row.received,
        lost=row.lost,
        duplicate=row.duplicate,
        invalid=row.invalid,
        audio=row.audio,
        manifest=row.manifest,
        recording_id=row.recording_id,
        supplement_of=row.supplement_of,
        source=row.source,
        lost_for=row.lost_for,
        lost_at_end=row.lost_at_end,
        withheld=row.withheld,
        withheld_ms=row.withheld_ms,
        withheld_because=row.withheld_because,
    )
