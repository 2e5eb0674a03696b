"""Make events for `cti.events` from Twilio's lists, in place of those that Event Streams did not
deliver. Pure.

An added event is a CloudEvent in the form of Event Streams, so it is processed like any other. Its
id is the event's SID, so that it has no further effect if it is made again. The attribute
`flexcaptureadded` names the list from which it was made.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.calls.added import SHARD
from pipeline.calls.cloud_events import (
    RESERVATION_EVENTS,
    TASK_EVENTS,
    TASKROUTER,
    VOICE,
    Readable,
    elements,
)
from pipeline.calls.trimming import trimmed
from pipeline.lenient_json import written
from pipeline.reconciliation.rows import ListedEvent
from pipeline.times import rfc3339
from schemas.records import CtiEvent, EndedConference

ADDED_ATTRIBUTE = "flexcaptureadded"
SOURCE = "flexcapture:reconciliation"
LARGEST_BYTES = 900_000
"""A larger event (bytes) is reduced to the fields that a call needs."""


def of_tasks(events: Iterable[ListedEvent], now: int) -> list[CtiEvent]:
    """Return the events of TaskRouter's list that concern a call, the latest first, so that a call
    that is over never seems to be in progress. `now`: when they are added (ms)."""
    known = [e for e in events if e.event_type in RESERVATION_EVENTS | TASK_EVENTS]
    found = (_of_task(e, now) for e in sorted(known, key=lambda e: (-e.at, e.event_sid)))
    return [event for event in found if event is not None]


def of_conference(task_sid: str, conference: EndedConference, now: int) -> CtiEvent | None:
    """Return the end of a conference as its status callback would report it; None if Twilio does
    not state the time."""
    if conference.ended_at is None:
        return None
    kind = f"{VOICE}status-callback.conference.updated"
    parameters = {
        "ConferenceSid": conference.conference_sid,
        "FriendlyName": task_sid,
        "StatusCallbackEvent": "conference-end",
        "Timestamp": rfc3339(conference.ended_at),
    }
    data = {"request": {"parameters": parameters}}
    event_id = f"{conference.conference_sid}-conference-end"
    return _event(event_id, kind, conference.ended_at, data, origin="conferences", now=now)


def of_participant(stated: Mapping[str, str], at: int, now: int) -> CtiEvent | None:
    """Return the status callback of a conference's participant with these parameters, at `at`
    (ms). They must name task (`FriendlyName`), conference, leg, and `StatusCallbackEvent`."""
    kind = f"{VOICE}status-callback.conference.participant.updated"
    data = {"request": {"parameters": {**stated, "Timestamp": rfc3339(at)}}}
    names = ("ConferenceSid", "CallSid", "StatusCallbackEvent")
    event_id = "-".join(stated[name] for name in names)
    return _event(event_id, kind, at, data, origin="participants", now=now)


def _of_task(event: ListedEvent, now: int) -> CtiEvent | None:
    at = rfc3339(event.at)
    payload = {**event.data, "eventtype": event.event_type, "timestamp": at}
    data = {
        "sid": event.event_sid,
        "name": event.event_type,
        "timestamp": at,
        "payload_type": event.event_type,
        "payload": payload,
    }
    kind = TASKROUTER + event.event_type
    return _event(event.event_sid, kind, event.at, data, origin="taskrouter", now=now)


def _event(
    event_id: str, kind: str, at: int, data: dict[str, Any], *, origin: str, now: int
) -> CtiEvent | None:
    document = {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": kind,
        "datacontenttype": "application/json",
        "time": rfc3339(at),
        ADDED_ATTRIBUTE: origin,
        "data": data,
    }
    readable: Any = next(elements(written(document)))
    if isinstance(readable, Readable) and len(readable.body) > LARGEST_BYTES:
        smaller = trimmed(readable)
        readable = None if smaller is None else smaller.event
    if not isinstance(readable, Readable) or readable.task_sid is None:
        return None
    return CtiEvent(
        event_id=event_id,
        source=SOURCE,
        type=kind,
        time=at,
        arrived_at=now,
        task_sid=readable.task_sid,
        call_sid=readable.call_sid,
        body=readable.body,
        kinesis_stream="",
        shard_id=SHARD,
        sequence_number=event_id,
    )
