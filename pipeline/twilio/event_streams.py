"""Twilio's Event Streams: sinks, subscriptions, and the event types that the product reads. Pure.

Formats: events.twilio.com, v1. Missing and unknown fields are normal.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.calls.cloud_events import (
    CALL_CALLBACKS,
    CONFERENCE_CALLBACKS,
    RESERVATION_EVENTS,
    STREAM_CALLBACKS,
    TASK_EVENTS,
    TASKROUTER,
    VOICE,
)

WANTED_TYPES = tuple(
    sorted(
        {TASKROUTER + name for name in TASK_EVENTS | RESERVATION_EVENTS}
        | {VOICE + name for name in CALL_CALLBACKS | CONFERENCE_CALLBACKS | STREAM_CALLBACKS}
    )
)
"""All event types that the product reads."""
KINESIS = "kinesis"
ACTIVE, INITIALIZED, VALIDATING, FAILED = "active", "initialized", "validating", "failed"
_MARK = "flexcapture: Kinesis stream "


def description_of(kinesis_stream: str) -> str:
    """Return the description of our sink and subscription for a Kinesis stream, by which they are
    found again."""
    return _MARK + kinesis_stream


@dataclass(frozen=True, slots=True)
class EventSink:
    """A sink as the API shows it. `arn`, `role_arn`, `external_id`: of its configuration, empty if
    that is not shown."""

    sid: str
    description: str
    sink_type: str
    status: str
    arn: str = ""
    role_arn: str = ""
    external_id: str = ""

    @property
    def is_active(self) -> bool:
        """Whether Twilio delivers to it."""
        return self.status == ACTIVE


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription with the event types in it, each with its schema version (0: not shown)."""

    sid: str
    description: str
    sink_sid: str
    types: Mapping[str, int]


def sink_of(item: Mapping[str, Any]) -> EventSink:
    """Return the sink in an answer."""
    configuration = item.get("sink_configuration")
    if isinstance(configuration, str):
        configuration = _object(configuration)
    shown = configuration if isinstance(configuration, dict) else {}
    texts = (_text(shown, name) for name in ("arn", "role_arn", "external_id"))
    return EventSink(
        _text(item, "sid"),
        _text(item, "description"),
        _text(item, "sink_type").lower(),
        _text(item, "status").lower(),
        *texts,
    )


def subscription_of(
    item: Mapping[str, Any], subscribed: Iterable[Mapping[str, Any]]
) -> Subscription:
    """Return the subscription in an answer. `subscribed`: its SubscribedEvents."""
    types = {name: _version(each) for each in subscribed if (name := _text(each, "type"))}
    return Subscription(
        _text(item, "sid"), _text(item, "description"), _text(item, "sink_sid"), types
    )


def is_ours(sink: EventSink, kinesis_stream: str, arn: str) -> bool:
    """Return whether set-up made the sink for this Kinesis stream. `arn`: of the Kinesis stream,
    empty if it is not known."""
    is_other = bool(arn and sink.arn and sink.arn != arn)
    return sink.description == description_of(kinesis_stream) and not is_other


def leads_to(sink: EventSink, kinesis_stream: str, arn: str) -> bool:
    """Return whether events of the sink arrive in this Kinesis stream, whatever made the sink."""
    if sink.sink_type not in (KINESIS, ""):
        return False
    if arn and sink.arn:
        return sink.arn == arn
    if sink.arn:
        return sink.arn.rpartition("/")[2] == kinesis_stream
    return sink.description == description_of(kinesis_stream)


def best_of(sinks: Sequence[EventSink]) -> EventSink | None:
    """Return the sink to use of several: an active one, else one that can become active."""
    order = {ACTIVE: 0, VALIDATING: 1, INITIALIZED: 2}
    return min(sinks, key=lambda sink: (order.get(sink.status, 3), sink.sid), default=None)


def missing_types(subscribed: Iterable[str], offered: Iterable[str] | None = None) -> list[str]:
    """Return the wanted types that are not subscribed. `offered`: the types that the account's API
    offers; None: not known."""
    there, possible = set(subscribed), None if offered is None else set(offered)
    return [t for t in WANTED_TYPES if t not in there and (possible is None or t in possible)]


def surplus_types(subscribed: Iterable[str]) -> list[str]:
    """Return the subscribed types that the product does not read."""
    return sorted(set(subscribed) - set(WANTED_TYPES))


def newest_version(versions: Iterable[Mapping[str, Any]]) -> int | None:
    """Return the newest of a schema's versions; None if none is listed."""
    return max((_version(each) for each in versions), default=0) or None


def types_form(versions: Mapping[str, int]) -> list[str]:
    """Return the fields `Types` of a request for these types with their schema versions."""
    return [
        json.dumps({"type": name, "schema_version": version}) for name, version in versions.items()
    ]


def _version(item: Mapping[str, Any]) -> int:
    value = item.get("schema_version")
    if isinstance(value, int) and not isinstance(value, bool):
        return max(value, 0)
    return int(value) if isinstance(value, str) and value.isdecimal() else 0


def _object(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""
