"""Determine the result of a task's comparison from its contact and Twilio's records. Pure.

The result is computed again with each version of the contact, so that a gap that is covered later
changes `lost` to `recovered`.
"""

from collections.abc import Iterable, Sequence

from pipeline.contacts.spans import Span, common, normalized, total
from schemas.records import (
    Contact,
    ContactGap,
    ReconciledPart,
    Reconciliation,
    ReconciliationEvidence,
    Session,
)
from schemas.states import CallState, CaptureState, ReconciliationResult

UNKNOWN_MS = 5 * 60 * 1000
"""How long (ms) after the evidence a task may have no contact, because its events may have just
been added."""
EDGE_MS = 1_000
"""Gaps shorter than this at either end of a session do not make its audio partial."""
MOST_PARTS = 500
FETCHABLE = "completed"
NO_CALL = "Twilio's events of the task make no call"
NOT_ACCEPTED = "no agent accepted the task"
NOT_DELIVERED = "no event of the reservation is known"


def of_contact(
    evidence: ReconciliationEvidence, contact: Contact, policy_version: int
) -> Reconciliation | None:
    """Return the result for a task with a contact; None while the call is in progress or its
    capture is pending. `policy_version`: the version of the list that was in force at the end."""
    if contact.state != CallState.ENDED or contact.capture == CaptureState.PENDING:
        return None
    result = _result(contact.capture, contact.gaps)
    why, version = _excluded_because(contact, policy_version)
    reason = why if result is ReconciliationResult.EXCLUDED else _reason(result, contact, evidence)
    return Reconciliation(
        task_sid=evidence.task_sid,
        result=result,
        reason=reason,
        policy_version=version,
        reservations=_reservations(evidence, contact, why),
        conferences=tuple(
            ReconciledPart(c.conference_sid, result, reason) for c in evidence.conferences
        ),
        recording_sids=_fetchable(evidence),
        added_events=len(evidence.added_events),
        checked_at=evidence.checked_at,
        updated_at=contact.updated_at,
    )


def without_contact(
    evidence: ReconciliationEvidence, policy_version: int, updated_at: int, *, is_call: bool
) -> Reconciliation:
    """Return the result for a task without a contact. `is_call`: whether its events are known, but
    it is not a voice call or no agent accepted it."""
    if evidence.reservations and not is_call:
        result, reason = ReconciliationResult.LOST, NO_CALL
    else:
        result, reason = (
            ReconciliationResult.EXCLUDED,
            "not a voice call" if is_call else NOT_ACCEPTED,
        )
    sids = [r.reservation_sid for r in evidence.reservations]
    conferences = [c.conference_sid for c in evidence.conferences]
    return Reconciliation(
        task_sid=evidence.task_sid,
        result=result,
        reason=reason,
        policy_version=policy_version,
        reservations=tuple(ReconciledPart(sid, result, reason) for sid in sids),
        conferences=tuple(ReconciledPart(sid, result, reason) for sid in conferences),
        recording_sids=_fetchable(evidence),
        added_events=len(evidence.added_events),
        checked_at=evidence.checked_at,
        updated_at=updated_at,
    )


def _result(capture: str, gaps: Sequence[ContactGap]) -> ReconciliationResult:
    if capture == CaptureState.NOT_REQUIRED:
        return ReconciliationResult.EXCLUDED
    if all(gap.covered_by for gap in gaps):
        return ReconciliationResult.RECOVERED if gaps else ReconciliationResult.CAPTURED
    is_missing = capture == CaptureState.MISSING
    return ReconciliationResult.LOST if is_missing else ReconciliationResult.PARTIAL


def _excluded_because(contact: Contact, policy_version: int) -> tuple[str, int]:
    """Return why nothing had to be recorded, and the version of the list that says so."""
    if contact.decisions:
        last = contact.decisions[-1]
        return last.reason, last.policy_version
    if not any(session.started_at is not None for session in contact.sessions):
        return NOT_ACCEPTED, policy_version
    if not any(session.monitored for session in contact.sessions):
        return "no monitored agent", policy_version
    return "nothing had to be recorded", policy_version


def _reason(
    result: ReconciliationResult, contact: Contact, evidence: ReconciliationEvidence
) -> str:
    open_gaps = [gap for gap in contact.gaps if not gap.covered_by]
    parts = [", ".join(sorted({gap.reason for gap in open_gaps}))] if open_gaps else []
    if result is ReconciliationResult.CAPTURED:
        parts.append("the required time is in the audio")
    if result is ReconciliationResult.RECOVERED:
        inums = sorted({gap.covered_by for gap in contact.gaps})
        parts.append(f"covered by recording {', '.join(inums)}")
    if open_gaps and evidence.is_examined:
        parts.append(_at_twilio(evidence))
    if evidence.added_events:
        parts.append("events were never delivered and were added from Twilio's lists")
    return "; ".join(parts)


def _at_twilio(evidence: ReconciliationEvidence) -> str:
    """Return which recordings Twilio has of the task."""
    if count := len(_fetchable(evidence)):
        return f"Twilio has {count} recordings of it"
    if statuses := sorted({r.status for r in evidence.recordings}):
        return f"Twilio has no recording that can be fetched ({', '.join(statuses)})"
    return "Twilio has no recording"


def _reservations(
    evidence: ReconciliationEvidence, contact: Contact, excluded_because: str
) -> tuple[ReconciledPart, ...]:
    sessions = {s.reservation_sid: s for s in contact.sessions if s.started_at is not None}
    listed = {r.reservation_sid: r.accepted_at for r in evidence.reservations}
    times = listed | {sid: s.started_at or 0 for sid, s in sessions.items()}
    return tuple(
        _reservation(sid, sessions.get(sid), contact, excluded_because)
        for sid in sorted(times, key=lambda sid: (times[sid], sid))[-MOST_PARTS:]
    )


def _reservation(
    sid: str, session: Session | None, contact: Contact, excluded_because: str
) -> ReconciledPart:
    if session is None:
        return ReconciledPart(sid, ReconciliationResult.LOST, NOT_DELIVERED)
    if contact.capture == CaptureState.NOT_REQUIRED or not session.monitored:
        reason = excluded_because if not contact.required_ms else "the agent is not monitored"
        return ReconciledPart(sid, ReconciliationResult.EXCLUDED, reason)
    begin, end = session.started_at or 0, session.ended_at or contact.ended_at or 0
    own = ((begin, max(begin, end)),)
    within = [(gap, _overlap(own, gap)) for gap in contact.gaps]
    gaps = [(gap, ms) for gap, ms in within if ms >= EDGE_MS or ms == total(own) > 0]
    missing = [(gap, ms) for gap, ms in gaps if not gap.covered_by]
    if not gaps:
        return ReconciledPart(sid, ReconciliationResult.CAPTURED, "")
    if not missing:
        return ReconciledPart(sid, ReconciliationResult.RECOVERED, "")
    is_lost = sum(ms for _, ms in missing) >= total(own) - 2 * EDGE_MS
    result = ReconciliationResult.LOST if is_lost else ReconciliationResult.PARTIAL
    return ReconciledPart(sid, result, ", ".join(sorted({gap.reason for gap, _ in missing})))


def _overlap(own: Iterable[Span], gap: ContactGap) -> int:
    return total(common(tuple(own), normalized(((gap.started_at, gap.ended_at),))))


def _fetchable(evidence: ReconciliationEvidence) -> tuple[str, ...]:
    return tuple(r.recording_sid for r in evidence.recordings if r.status == FETCHABLE)
