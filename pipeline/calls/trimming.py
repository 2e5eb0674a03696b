"""Reduce events that are too large for a Kafka record to the fields that a call needs.

Task and worker attributes may be of any size, but only a few short texts of them are used, and
these are cut at `MAX_TEXT_CHARACTERS`. So an event that Kafka would refuse is written with those
fields only.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.calls.cloud_events import Readable, known_type
from pipeline.calls.fields import MAX_TEXT_CHARACTERS, parsed
from pipeline.lenient_json import loads, written
from schemas.fast_dataclass import dataclass

TRIMMED = "flexcapturetrimmed"
"""The attribute of a reduced CloudEvent: the size (bytes) of its original body."""

MAX_FIELDS = 100
"""The greatest number of fields that are kept of an object, attributes aside."""

_TASK = (
    "call_sid", "from", "to", "caller", "called", "direction", "outbound_to", "client_call",
    "internal", "taskType", "flow_execution_sid", "conference", "participants", "sid", "customer",
    "worker",
)  # fmt: skip
_WORKER = ("email", "contact_uri", "full_name", "team_name")
_ATTRIBUTES = {"task_attributes": _TASK, "worker_attributes": _WORKER}
_LEVELS = 4


@dataclass(frozen=True, slots=True)
class Trimmed:
    """The event with a smaller body, and the size (bytes) of the original one."""

    event: Readable
    original_bytes: int


def trimmed(event: Readable) -> Trimmed | None:
    """Return the event with only the fields that a call needs; None if it has no statement about a
    call."""
    document = loads(event.body)
    if known_type(event.type, document.get("data")) is None:
        return None
    size = len(event.body.encode())
    body = {**_small(document, _LEVELS), TRIMMED: size}
    smaller = Readable(
        event_id=event.event_id,
        source=event.source,
        type=event.type,
        time=event.time,
        task_sid=event.task_sid,
        call_sid=event.call_sid,
        body=written(body).decode(),
        invalid_sids=event.invalid_sids,
    )
    return Trimmed(smaller, size)


def _small(values: Mapping[str, Any], levels: int) -> dict[str, Any]:
    """Return the fields of an object, with cut texts, and without lists and more deeply nested
    objects."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name in _ATTRIBUTES:
            found[name] = _attributes(value, _ATTRIBUTES[name])
        elif len(found) < MAX_FIELDS and len(name) <= MAX_TEXT_CHARACTERS:
            _put(found, name, value, levels)
    return found


def _attributes(stated: Any, names: tuple[str, ...]) -> Any:
    """Return the attributes that are used, in their original form: an object, or JSON in text."""
    attributes = parsed(stated)
    found = _chosen(attributes, names, _LEVELS)
    return written(found).decode() if isinstance(stated, str) else found


def _chosen(values: Mapping[str, Any], names: tuple[str, ...], levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in names:
        value = values.get(name)
        if isinstance(value, dict):
            found |= {name: _chosen(value, names, levels - 1)} if levels else {}
        else:
            _put(found, name, value, 0)
    return found


def _put(found: dict[str, Any], name: str, value: Any, levels: int) -> None:
    if isinstance(value, str):
        found[name] = value.strip()[:MAX_TEXT_CHARACTERS]
    elif isinstance(value, dict):
        found |= {name: _small(value, levels - 1)} if levels else {}
    elif value is not None and not isinstance(value, list):
        found[name] = value
