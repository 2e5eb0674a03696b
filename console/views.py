"""Records as the API's JSON (docs/console.md). Pure."""

from typing import Any

from console.times import rfc3339
from schemas.records import Contact, ContactDecision, ContactRecording

Json = dict[str, Any]


def contact_json(contact: Contact) -> Json:
    """A CONTACT."""
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
        "recordings": [recording_json(recording) for recording in contact.recordings],
        "decisions": [_decision_json(decision) for decision in contact.decisions],
        "gaps": [
            {
                "from": rfc3339(gap.started_at),
                "to": rfc3339(gap.ended_at),
                "duration_ms": gap.ended_at - gap.started_at,
                "after": gap.after,
                "before": gap.before,
            }
            for gap in contact.gaps
        ],
    }


def _decision_json(decision: ContactDecision) -> Json:
    return {
        "at": rfc3339(decision.at),
        "decision": decision.decision,
        "reason": decision.reason,
        "policy_version": decision.policy_version,
    }


def recording_json(recording: ContactRecording) -> Json:
    """A RECORDING."""
    complete = recording.state == "complete"
    return {
        "inum": recording.inum,
        "call_sid": recording.call_sid,
        "stream_sid": recording.stream_sid,
        "extension": recording.extension,
        "extensions": list(recording.extensions),
        "state": recording.state,
        "started_at": rfc3339(recording.started_at),
        "duration_ms": recording.duration_ms,
        "frames": {
            "received": recording.received,
            "lost": recording.lost,
            "duplicate": recording.duplicate,
            "invalid": recording.invalid,
        },
        "audio_url": f"/api/recordings/{recording.inum}/audio" if complete else None,
    }


def call_json(contact: Contact) -> Json:
    """A call in progress, as `/api/calls` shows it; with what its row on the page needs."""
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
