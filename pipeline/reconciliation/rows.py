"""The rows of Twilio's lists as values. Values of another form count as absent. Pure."""

import math
from collections.abc import Mapping
from typing import Any

from pipeline.calls.times import millis
from pipeline.lenient_json import Unreadable, loads
from pipeline.twilio.sids import SidKind, sid_in
from schemas.fast_dataclass import dataclass
from schemas.records import AcceptedReservation, EndedConference, TwilioRecording

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """An event in TaskRouter's list. `event_type`: without prefix, as `reservation.accepted`;
    `data`: its payload as Event Streams would send it; `at`: ms."""

    event_sid: str
    event_type: str
    at: int
    task_sid: str
    channel: str | None
    data: Mapping[str, Any]


def listed_event(row: Row) -> ListedEvent | None:
    """Return a row of a workspace's events; None if it names no task, type, SID or time."""
    data = _data(row.get("event_data"))
    task_sid = sid_in(data, "task_sid", SidKind.TASK) or sid_in(row, "resource_sid", SidKind.TASK)
    at = _first_time(row, "event_date_ms", "event_date")
    sid, kind = row.get("sid"), row.get("event_type")
    if task_sid is None or at is None or not _is_text(sid) or not _is_text(kind):
        return None
    own = sid_in(row, "resource_sid", SidKind.RESERVATION)
    stated = {"task_sid": task_sid, **({"reservation_sid": own} if own else {})}
    channel = data.get("task_channel_unique_name")
    return ListedEvent(
        event_sid=str(sid),
        event_type=str(kind),
        at=at,
        task_sid=task_sid,
        channel=channel.lower() if isinstance(channel, str) and channel else None,
        data={**data, **stated} if not sid_in(data, "reservation_sid", SidKind.RESERVATION) else
        {**data, "task_sid": task_sid},
    )  # fmt: skip


def accepted_reservation(event: ListedEvent) -> AcceptedReservation | None:
    """Return the reservation that the event accepts; None if it names none."""
    sid = sid_in(event.data, "reservation_sid", SidKind.RESERVATION)
    if sid is None or event.event_type != "reservation.accepted":
        return None
    name = event.data.get("worker_name")
    return AcceptedReservation(
        sid,
        sid_in(event.data, "worker_sid", SidKind.WORKER),
        name[:500] if isinstance(name, str) and name else None,
        event.at,
    )


def ended_conference(row: Row) -> tuple[str, EndedConference] | None:
    """Return the task and the conference of a row of `Conferences`; None if it is in progress, or
    is named after no task."""
    sid, task_sid = (
        sid_in(row, "sid", SidKind.CONFERENCE),
        sid_in(row, "friendly_name", SidKind.TASK),
    )
    if sid is None or task_sid is None or row.get("status") != "completed":
        return None
    begun, ended = millis(row.get("date_created")), millis(row.get("date_updated"))
    return task_sid, EndedConference(sid, begun, ended)


def twilio_recording(row: Row) -> TwilioRecording | None:
    """Return a row of `Recordings`; None if it has no SID."""
    sid = sid_in(row, "sid", SidKind.RECORDING)
    if sid is None:
        return None
    status, seconds = row.get("status"), _number(row.get("duration"))
    channels = _number(row.get("channels"))
    return TwilioRecording(
        sid,
        sid_in(row, "call_sid", SidKind.CALL),
        sid_in(row, "conference_sid", SidKind.CONFERENCE),
        status if isinstance(status, str) and len(status) < 50 else "",
        millis(row.get("start_time")),
        None if seconds is None else round(seconds * 1000),
        int(channels) if channels in (1, 2) else 0,
    )


def _data(stated: object) -> Mapping[str, Any]:
    """Return the event's data, which may be an object or JSON in text."""
    if isinstance(stated, str):
        try:
            stated = loads(stated)
        except Unreadable:
            return {}
    return stated if isinstance(stated, dict) else {}


def _first_time(row: Row, *names: str) -> int | None:
    return next((at for name in names if (at := millis(row.get(name))) is not None), None)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 100


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and 0 <= number < 10**7 else None
