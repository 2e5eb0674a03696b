"""Contacts and recordings of Twilio's, as tests need them."""

from typing import Any

from pipeline.recovery.sources import SourceRecording
from schemas.records import Contact, ContactGap, ContactRecording, RequiredSpan

AT = 1_790_000_000_000
"""The beginning of the calls (ms)."""
TASK = "WT" + "1" * 32
CUSTOMER, WORKER = "CA" + "1" * 32, "CA" + "2" * 32


def contact_with(
    required: tuple[tuple[int, int], ...] = ((0, 60_000),),
    gaps: tuple[tuple[int, int], ...] = (),
    recordings: tuple[ContactRecording, ...] = (),
    **changes: Any,
) -> Contact:
    """Return a contact that is over. Times count from `AT` (ms)."""
    spans = tuple(RequiredSpan(AT + start, AT + end) for start, end in required)
    values: dict[str, Any] = {
        "contact_id": TASK,
        "task_sid": TASK,
        "direction": "inbound",
        "customer": "+15550100200",
        "queue": "Support",
        "started_at": AT,
        "ended_at": AT + 60_000,
        "state": "ended",
        "outcome": "answered",
        "sessions": (),
        "recordings": recordings,
        "decisions": (),
        "connections": (),
        "streams": (),
        "call_sids": (CUSTOMER, WORKER),
        "in_progress": False,
        "revision": 1,
        "updated_at": AT + 61_000,
        "gaps": tuple(ContactGap(AT + start, AT + end, "", "") for start, end in gaps),
        "capture": "missing",
        "required_ms": sum(end - start for start, end in required),
        "required": spans,
        "customer_call_sids": (CUSTOMER,),
    }
    return Contact(**values | changes)


def recording_at(start: int, length: int, source: str = "stream") -> ContactRecording:
    """Return a complete recording, from `start` (ms, from `AT`) for `length` (ms)."""
    return ContactRecording(
        inum=f"{start:018d}", call_sid=CUSTOMER, stream_sid=f"MZ{start:032d}", extension=None,
        extensions=(), state="complete", started_at=AT + start, duration_ms=length, received=0,
        lost=0, duplicate=0, invalid=0, audio="a.wav", manifest="a.json",
        recording_id=f"{start}-{source}", source=source,
    )  # fmt: skip


def source_at(start: int, length: int, number: int = 0, **changes: Any) -> SourceRecording:
    """Return a conference recording of Twilio's, from `start` (ms, from `AT`) for `length` (ms)."""
    values: dict[str, Any] = {
        "sid": f"RE{number:032x}",
        "call_sid": CUSTOMER,
        "conference_sid": "CF" + "1" * 32,
        "status": "completed",
        "channels": 2,
        "origin": "Conference",
        "started_at": AT + start,
        "duration_ms": length,
    }
    return SourceRecording(**values | changes)
