"""Times as Twilio writes them, and events in one line."""

from datetime import UTC, datetime
from typing import Any

START = 1_790_000_000_000
"""When the calls begin (ms)."""

_SHOWN = {
    "timestamp", "task_queue_name", "task_version", "reservation_sid", "worker_name",
    "task_transfer_sid", "transfer_status", "transfer_started", "StatusCallbackEvent", "CallSid",
    "ParticipantLabel", "Coaching", "Timestamp", "CallStatus", "To", "SequenceNumber",
}  # fmt: skip


def iso(ms: int) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def stamps_of(ms: int) -> dict[str, Any]:
    """A time in each of the notations that accounts send, by name."""
    return {
        "iso": iso(ms),
        "lower": iso(ms).lower(),
        "comma": iso(ms).replace(".", ","),
        "offset": iso(ms + 3_600_000).replace("Z", "+01:00"),
        "minutes": iso(ms)[:16] + "Z",
        "seconds": ms // 1000,
        "seconds text": str(ms // 1000),
        "ms": ms,
        "ms text": str(ms),
        "invalid": "soon",
    }


EXACT = ("iso", "lower", "comma", "offset", "ms", "ms text")
"""The notations that are exact to the millisecond."""


def line(event: dict[str, Any], at: int) -> str:
    """An event in one line, for a person: its time after the start, and its content."""
    data = event["data"]
    words = data.get("payload") or data["request"]["parameters"]
    shown = {name: value for name, value in words.items() if name in _SHOWN and value is not None}
    kind = event["type"].removeprefix("com.twilio.")
    return f"{at - START:>9} {event['id']} {kind} {shown}"
