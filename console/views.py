"""Convert records to the API's JSON (docs/console.md). Pure."""

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from console.times import rfc3339
from schemas.records import (
    Contact,
    ContactContradiction,
    ContactDecision,
    ContactGap,
    ContactRecording,
    Reconciliation,
)
from schemas.states import RecordingState

Json = dict[str, Any]


def without_withheld(contact: Contact) -> Contact:
    """Return the contact without withheld recordings."""
    recordings = tuple(r for r in contact.recordings if not r.withheld_because)
    return contact if recordings == contact.recordings else replace(contact, recordings=recordings)


def contact_json(contact: Contact, *, withheld: bool = False) -> Json:
    """Return a CONTACT. `withheld`: include the withheld recordings."""
    return {
        "contact_id": contact.contact_id,
        "task_sid": contact.task_sid,
        "direction": contact.direction,
        "customer": contact.customer,
        "queue": contact.queue,
        "started_at": rfc3339(contact.started_at),
        "ended_at": rfc3339(contact.ended_at),
        "state": contact.state,
        "outcome": contact.outcome,
        "sessions": [
            {
                "reservation_sid": session.reservation_sid,
                "extension": session.extension,
                "monitored": session.monitored,
                "started_at": rfc3339(session.started_at),
                "ended_at": rfc3339(session.ended_at),
            }
            for session in contact.sessions
        ],
        "recordings": [
            recording_json(recording, contact.task_sid)
            for recording in (contact if withheld else without_withheld(contact)).recordings
        ],
        "decisions": [_decision_json(decision) for decision in contact.decisions],
        "gaps": [_gap_json(gap) for gap in contact.gaps],
        "capture": contact.capture,
        "required_ms": contact.required_ms,
        "captured_ms": contact.captured_ms,
        "contradictions": [_contradiction_json(each) for each in contact.contradictions],
        "reconciliation": contact.reconciliation and _reconciliation_json(contact.reconciliation),
    }


def _reconciliation_json(found: Reconciliation) -> Json:
    return {
        "result": found.result,
        "reason": found.reason,
        "policy_version": found.policy_version,
        "checked_at": rfc3339(found.checked_at),
        "events_added": found.added_events,
        "twilio_recordings": list(found.recording_sids),
        "reservations": [
            {"reservation_sid": part.sid, "result": part.result, "reason": part.reason}
            for part in found.reservations
        ],
        "conferences": [
            {"conference_sid": part.sid, "result": part.result, "reason": part.reason}
            for part in found.conferences
        ],
    }


def _gap_json(gap: ContactGap) -> Json:
    return {
        "from": rfc3339(gap.started_at),
        "to": rfc3339(gap.ended_at),
        "duration_ms": gap.ended_at - gap.started_at,
        "after": gap.after or None,
        "before": gap.before or None,
        "reason": gap.reason,
        "covered_by": gap.covered_by or None,
    }


def _contradiction_json(contradiction: ContactContradiction) -> Json:
    return {
        "at": rfc3339(contradiction.at),
        "reservation_sid": contradiction.reservation_sid,
        "name": contradiction.name,
        "value": contradiction.value,
        "held": contradiction.held,
    }


def _decision_json(decision: ContactDecision) -> Json:
    return {
        "at": rfc3339(decision.at),
        "decision": decision.decision,
        "reason": decision.reason,
        "policy_version": decision.policy_version,
    }


def recording_path(recording: ContactRecording) -> str:
    """Return the API's path of a recording, by its id: several recordings can have one INUM."""
    return f"/api/recordings/{quote(recording.recording_id, safe='')}"


def recording_json(recording: ContactRecording, task_sid: str) -> Json:
    """Return a RECORDING of the task."""
    is_audible = recording.state == RecordingState.COMPLETE and not recording.withheld_because
    return {
        "inum": recording.inum,
        "recording_id": recording.recording_id,
        "task_sid": task_sid,
        "call_sid": recording.call_sid,
        "stream_sid": recording.stream_sid,
        "extension": recording.extension,
        "extensions": list(recording.extensions),
        "state": recording.state,
        "started_at": rfc3339(recording.started_at),
        "duration_ms": recording.duration_ms,
        "supplement_of": recording.supplement_of or None,
        "source": recording.source,
        "frames": {
            "received": recording.received,
            "lost": recording.lost,
            "duplicate": recording.duplicate,
            "invalid": recording.invalid,
            "withheld": recording.withheld,
        },
        "lost_for": dict(recording.lost_for),
        "withheld_because": recording.withheld_because or None,
        "audio_url": f"{recording_path(recording)}/audio" if is_audible else None,
    }


def call_json(contact: Contact) -> Json:
    """Return a call in progress as in `/api/calls`, with all that its row on the page needs."""
    return {
        "task_sid": contact.task_sid,
        "direction": contact.direction,
        "customer": contact.customer,
        "queue": contact.queue,
        "started_at": rfc3339(contact.started_at),
        "connections": [
            {"extension": connection.extension, "state": connection.state}
            for connection in contact.connections
        ],
        "streams": [
            {
                "stream_sid": media_stream.stream_sid,
                "call_sid": media_stream.call_sid,
                "name": media_stream.name,
                "state": media_stream.state,
                "reason": media_stream.reason,
            }
            for media_stream in contact.streams
        ],
        "decision": _decision_json(contact.decisions[-1]) if contact.decisions else None,
    }
