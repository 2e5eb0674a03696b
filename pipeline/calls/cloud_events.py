"""Parse one Kinesis record into CloudEvents, Twilio's test event, and unreadable parts, without
ever failing. The formats: cloudevents.io (1.0, JSON) and Twilio's Event Streams.

Unknown fields, missing fields that are not needed, and unknown event types are accepted. An event
is unreadable if it cannot be identified (no id, no type), or if it is a TaskRouter or voice event
of a known type with the wrong structure.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline import lenient_json
from pipeline.calls.event_sids import invalid_in_parameters, invalid_in_payload
from pipeline.calls.times import millis
from pipeline.twilio.sids import SidKind, sid_in, valid_sid
from schemas.fast_dataclass import dataclass

AGGREGATED = b"\xf3\x89\x9a\xc2"
"""The first bytes of a Kinesis record in which the Kinesis Producer Library packed several (its
aggregation-format.md). They are not unpacked: Twilio writes none (docs/decisions/0003)."""

_AGGREGATED_DETAIL = (
    "several records in one, as the Kinesis Producer Library packs them: the producer must switch "
    "its aggregation off (AggregationEnabled=false)"
)

TEST_EVENT = "com.twilio.eventstreams.test-event"
TASKROUTER = "com.twilio.taskrouter."
VOICE = "com.twilio.voice."

TASK_EVENTS = frozenset(
    f"task.{name}"
    for name in (
        "created", "updated", "canceled", "completed", "deleted", "system-deleted", "wrapup",
        "transfer-initiated", "transfer-completed", "transfer-failed", "transfer-canceled",
        "transfer-attempt-failed",
    )
)  # fmt: skip
RESERVATION_EVENTS = frozenset(
    f"reservation.{name}"
    for name in (
        "created", "accepted", "rejected", "timeout", "canceled", "rescinded", "completed",
        "failed", "wrapup",
    )
)  # fmt: skip
CALL_CALLBACKS = frozenset(
    f"status-callback.call.{name}" for name in ("initiated", "ringing", "answered", "completed")
)
CONFERENCE_CALLBACKS = frozenset(
    {"status-callback.conference.updated", "status-callback.conference.participant.updated"}
)
STREAM_CALLBACKS = frozenset({"status-callback.stream.updated"})

_CALLBACKS = CALL_CALLBACKS | CONFERENCE_CALLBACKS | STREAM_CALLBACKS


@dataclass(frozen=True, slots=True)
class Readable:
    """An event to publish on `cti.events`. `body`: the whole CloudEvent in strict JSON: the
    received text, or, if only a lenient parser could read it, a new serialization. `invalid_sids`:
    the kind of each SID in it that has the wrong form and counts as absent."""

    event_id: str
    source: str
    type: str
    time: int | None
    task_sid: str | None
    call_sid: str | None
    body: str
    invalid_sids: tuple[SidKind, ...] = ()

    @property
    def key(self) -> str:
        """The event's key on `cti.events`."""
        return self.task_sid or self.call_sid or self.source


@dataclass(frozen=True, slots=True)
class Swallowed:
    """Twilio's test event. It shows that events can be delivered, and has no content."""

    event_id: str


@dataclass(frozen=True, slots=True)
class UnreadableEvent:
    """An unreadable event for the dead letters: a short fixed reason, the error, and the received
    bytes (for an element of an array, its new serialization). `invalid_sids`: as in `Readable`."""

    reason: str
    detail: str
    original: bytes
    invalid_sids: tuple[SidKind, ...] = ()


Element = Readable | Swallowed | UnreadableEvent


class Malformed(ValueError):
    """The event does not have the structure that its type requires."""

    def __init__(self, reason: str, detail: str, invalid_sids: tuple[SidKind, ...] = ()) -> None:
        super().__init__(detail)
        self.reason = reason
        self.invalid_sids = invalid_sids


def elements(raw: bytes) -> Iterator[Element]:
    """Yield the elements of a Kinesis record's bytes (one CloudEvent in JSON, or an array of them)
    in their order."""
    if raw.startswith(AGGREGATED):
        yield UnreadableEvent("aggregated", _AGGREGATED_DETAIL, raw)
        return
    try:
        found = lenient_json.read(raw)
    except lenient_json.Unreadable as error:
        yield UnreadableEvent("not-json", str(error), raw)
        return
    document = found.value
    if not isinstance(document, list):
        body = raw if found.is_strict else lenient_json.written(document)
        yield _element(document, body, raw)
    elif not document:
        yield UnreadableEvent("wrong-type", "an array of no events", raw)
    else:
        for item in document:
            body = lenient_json.written(item)
            yield _element(item, body, body)


def task_router_payload(event_type: str, data: Any) -> Mapping[str, Any]:
    """Return `data.payload` of a task or reservation event that has a task SID. Raise
    `Malformed`."""
    payload = _object(_object(data, event_type, "data").get("payload"), event_type, "data.payload")
    sid = payload.get("task_sid")
    if sid is None or sid == "":
        raise Malformed("missing-field", f"{event_type}: no data.payload.task_sid")
    if not isinstance(sid, str):
        raise Malformed("wrong-type", f"{event_type}: data.payload.task_sid is no text")
    if sid_in(payload, "task_sid", SidKind.TASK) is None:
        why = f"{event_type}: data.payload.task_sid is no task SID"
        raise Malformed("missing-field", why, (SidKind.TASK,))
    return payload


def callback_parameters(event_type: str, data: Any) -> Mapping[str, Any]:
    """Return `data.request.parameters` of a status callback. Raise `Malformed`."""
    request = _object(_object(data, event_type, "data").get("request"), event_type, "data.request")
    return _object(request.get("parameters"), event_type, "data.request.parameters")


def known_type(event_type: str, data: Any) -> str | None:
    """Return the type without its prefix if it is one of TaskRouter's or of the voice callbacks
    about calls, else None. `payload.eventtype` is considered too."""
    if event_type.startswith(TASKROUTER):
        name = event_type.removeprefix(TASKROUTER)
        if name in TASK_EVENTS or name in RESERVATION_EVENTS:
            return name
        payload = data.get("payload") if isinstance(data, dict) else None
        stated = payload.get("eventtype") if isinstance(payload, dict) else None
        if not isinstance(stated, str):
            return None
        return stated if stated in TASK_EVENTS or stated in RESERVATION_EVENTS else None
    return known_callback(event_type)


def known_callback(event_type: str) -> str | None:
    """Return the type without its prefix if it is one of the voice callbacks about calls."""
    name = event_type.removeprefix(VOICE)
    return name if name in _CALLBACKS and event_type.startswith(VOICE) else None


def task_sid_in(parameters: Mapping[str, Any]) -> str | None:
    """Return the task that a callback belongs to: Flex names a conference by its task's SID."""
    return sid_in(parameters, "FriendlyName", SidKind.TASK)


def _element(document: Any, body: bytes, original: bytes) -> Element:
    try:
        return _read(document, body)
    except Malformed as error:
        return UnreadableEvent(error.reason, str(error), original, error.invalid_sids)
    except Exception as error:  # noqa: BLE001 - our defect must not hide the array's other events
        return UnreadableEvent("defect", repr(error), original)


def _read(document: Any, body: bytes) -> Element:
    if not isinstance(document, dict):
        raise Malformed("wrong-type", f"a CloudEvent is an object, not {_kind(document)}")
    event_id, event_type = _text(document, "id"), _text(document, "type")
    if event_type == TEST_EVENT:
        return Swallowed(event_id)
    task_sid, call_sid, invalid = _sids(event_type, document.get("data"))
    source = document.get("source")
    return Readable(
        event_id=event_id,
        source=source if isinstance(source, str) else "",
        type=event_type,
        time=millis(document.get("time")),
        task_sid=task_sid,
        call_sid=call_sid,
        body=body.decode(),
        invalid_sids=invalid,
    )


_Sids = tuple[str | None, str | None, tuple[SidKind, ...]]
"""Task SID, call SID, and the kinds of the invalid ones."""


def _sids(event_type: str, data: Any) -> _Sids:
    name = known_type(event_type, data)
    if name is None:
        return _sids_of_unknown(event_type, data)
    if not name.startswith("status-callback."):
        payload = task_router_payload(event_type, data)
        return sid_in(payload, "task_sid", SidKind.TASK), None, invalid_in_payload(payload)
    return _sids_of_callback(callback_parameters(event_type, data))


def _sids_of_callback(parameters: Mapping[str, Any]) -> _Sids:
    call_sid = sid_in(parameters, "CallSid", SidKind.CALL)
    return task_sid_in(parameters), call_sid, invalid_in_parameters(parameters)


def _sids_of_unknown(event_type: str, data: Any) -> _Sids:
    """Return the keys of an event of an unknown type, as far as they are found."""
    if event_type.startswith(TASKROUTER) and isinstance(data, dict):
        payload = data.get("payload")
        sid = payload.get("task_sid") if isinstance(payload, dict) else None
        return valid_sid(SidKind.TASK, sid), None, ()
    try:
        return _sids_of_callback(callback_parameters(event_type, data))
    except Malformed:  # Voice Insights events name the call beside `data`
        sid = data.get("call_sid") if isinstance(data, dict) else None
        return None, valid_sid(SidKind.CALL, sid), ()


def _text(document: Mapping[str, Any], field: str) -> str:
    value = document.get(field)
    if value is None or value == "":
        raise Malformed("missing-field", f"a CloudEvent without {field}")
    if not isinstance(value, str):
        raise Malformed("wrong-type", f"a CloudEvent's {field} is text, not {_kind(value)}")
    return value


def _object(value: Any, event_type: str, name: str) -> Mapping[str, Any]:
    if value is None:
        raise Malformed("missing-field", f"{event_type}: no {name}")
    if not isinstance(value, dict):
        raise Malformed("wrong-type", f"{event_type}: {name} is {_kind(value)}, not an object")
    return value


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "text", bool: "a boolean"}
    return "null" if value is None else names.get(type(value), "a number")
