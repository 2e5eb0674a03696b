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


def line(event: dict[str, Any], at: int) -> str:
    """An event in one line, for a person: when it came after the start, and what it says."""
    data = event["data"]
    words = data.get("payload") or data["request"]["parameters"]
    shown = {name: value for name, value in words.items() if name in _SHOWN and value is not None}
    kind = event["type"].removeprefix("com.twilio.")
    return f"{at - START:>9} {event['id']} {kind} {shown}"
