"""What one CTI event says of its call: a small `Call` of its own, to be merged into the call.

Formats: Twilio Event Streams' TaskRouter events (`data.payload`, snake_case; attributes are JSON
inside text) and voice status callbacks (`data.request.parameters`, as in the classic callbacks).
Tolerant: what is missing, junk or unknown says nothing. No field is told unless the event has it,
so that of two events neither wipes out what only the other knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from pipeline.calls.cloud_events import (
    RESERVATION_EVENTS,
    TASK_EVENTS,
    Malformed,
    callback_parameters,
    known_type,
    task_router_payload,
)
from pipeline.calls.participants import leg_of
from pipeline.calls.times import millis, refined
from pipeline.calls.workers import worker_facts
from schemas.records import Call, CtiEvent, Fact, Leg, Reservation, Transfer

_TRANSFER_ENDS = {"COMPLETED": "completed", "FAILED": "failed", "CANCELED": "canceled"}


@dataclass(frozen=True, slots=True)
class Silent:
    """The event says nothing of a call: of an unknown type, or without a task."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stamp:
    """What orders the facts of an event."""

    at: int
    event_id: str

    def facts(self, version: int, values: Mapping[str, str | None]) -> dict[str, Fact]:
        """A fact for each value that is there."""
        return {
            name: Fact(value, version, self.at, self.event_id)
            for name, value in values.items()
            if value is not None
        }


def delta(event: CtiEvent) -> Call | Silent:
    """The event's own small call (derived fields empty, revision 0), or why it has none."""
    if event.task_sid is None:
        return Silent("no-task")
    try:
        data = orjson.loads(event.body).get("data")
        name = known_type(event.type, data)
        if name is None:
            return Silent("unknown-type")
        if name in TASK_EVENTS or name in RESERVATION_EVENTS:
            return _task_router(event, name, task_router_payload(event.type, data), data)
        return _callback(event, name, callback_parameters(event.type, data))
    except (Malformed, orjson.JSONDecodeError, AttributeError):
        return Silent("malformed")


def _task_router(
    event: CtiEvent, name: str, payload: Mapping[str, Any], data: Mapping[str, Any]
) -> Call:
    told = next((t for t in (payload, data) if millis(t.get("timestamp")) is not None), payload)
    at = refined(told.get("timestamp"), event.time) or event.arrived_at
    stamp = Stamp(at, event.event_id)
    scope, _, step = name.partition(".")
    milestones = {step: at} if scope == "task" and not step.startswith("transfer-") else {}
    facts = stamp.facts(version(payload.get("task_version")), _task_facts(payload))
    return _call(
        event,
        at,
        facts=facts,
        legs=_known_legs(facts, stamp),
        milestones=milestones,
        reservations=_reservation(payload, step if scope == "reservation" else None, stamp),
        transfers=_transfer(payload, step, stamp),
    )


def _task_facts(payload: Mapping[str, Any]) -> dict[str, str | None]:
    attributes = parsed(payload.get("task_attributes"))
    conference = _part(attributes, "conference")
    participants = _part(conference, "participants")
    direction = _direction(attributes)
    customer_leg = _text(participants, "customer")
    if direction == "inbound":
        customer_leg = _text(attributes, "call_sid") or customer_leg
    return {
        "channel": _text(payload, "task_channel_unique_name"),
        "queue": _text(payload, "task_queue_name"),
        "direction": direction,
        "customer": _customer(attributes, direction),
        "customer_call_sid": customer_leg,
        "customer_joined": _text(participants, "customer"),
        "worker_call_sid": _text(participants, "worker"),
        "conference_sid": _text(conference, "sid"),
        "canceled_reason": _text(payload, "task_canceled_reason"),
    }


def _direction(attributes: Mapping[str, Any]) -> str | None:
    """inbound, outbound or internal, by Flex's attributes; None where they do not tell."""
    targets = (_text(attributes, "to"), _text(attributes, "outbound_to"))
    flags = (attributes.get("client_call"), attributes.get("internal"))
    if any(str(flag).lower() == "true" for flag in flags):
        return "internal"
    if any(target is not None and target.startswith("client:") for target in targets):
        return "internal"
    told = (_text(attributes, "direction") or "").lower()
    if told.startswith(("inbound", "outbound")):
        return told[: len("inbound")] if told.startswith("inbound") else "outbound"
    if targets[1] is not None:
        return "outbound"
    if _text(attributes, "call_sid") and (_text(attributes, "from") or _text(attributes, "caller")):
        return "inbound"
    return None


def _customer(attributes: Mapping[str, Any], direction: str | None) -> str | None:
    names = {"inbound": ("from", "caller"), "outbound": ("outbound_to", "to")}.get(direction or "")
    return next((v for n in names or () if (v := _text(attributes, n)) is not None), None)


def _reservation(
    payload: Mapping[str, Any], step: str | None, stamp: Stamp
) -> tuple[Reservation, ...]:
    sid = _text(payload, "reservation_sid")
    if sid is None or step is None:
        return ()
    values = {
        "worker_sid": _text(payload, "worker_sid"),
        "worker_name": _text(payload, "worker_name"),
        "queue": _text(payload, "task_queue_name"),
        "transfer": _text(payload, "task_transfer_sid"),
        **worker_facts(parsed(payload.get("worker_attributes"))),
    }
    facts = stamp.facts(version(payload.get("reservation_version")), values)
    return (Reservation(sid, facts, {step: stamp.at}),)


def _transfer(payload: Mapping[str, Any], step: str, stamp: Stamp) -> tuple[Transfer, ...]:
    sid = _text(payload, "task_transfer_sid")
    begun_by = _text(payload, "transfer_initiating_reservation_sid")
    own_event = step.startswith("transfer-")
    if sid is None and own_event:
        sid = f"unnamed:{begun_by or ''}"
    if sid is None:
        return ()
    values = {
        "mode": _text(payload, "transfer_mode"),
        "type": _text(payload, "transfer_type"),
        "to": _text(payload, "transfer_to"),
        "initiating_reservation_sid": begun_by,
        "initiating_worker_sid": _text(payload, "transfer_initiating_worker_sid"),
    }
    milestones: dict[str, int] = {}
    if (begun := millis(payload.get("transfer_started"))) is not None:
        milestones["initiated"] = begun
    if own_event:
        step = step.removeprefix("transfer-")
        milestones[step] = min(stamp.at, milestones.get(step, stamp.at))
    status = (_text(payload, "transfer_status") or "").upper()
    if (ended := _TRANSFER_ENDS.get(status)) is not None:
        milestones.setdefault(ended, stamp.at)
    facts = stamp.facts(version(payload.get("task_version")), values)
    return (Transfer(sid, facts, milestones),)


def _known_legs(facts: Mapping[str, Fact], stamp: Stamp) -> tuple[Leg, ...]:
    """The legs that the task's attributes name: as facts of the legs too, since the task names
    only those of the moment."""
    roles = {"worker_call_sid": "worker", "customer_call_sid": "customer"}
    found = {facts[name].value: role for name, role in roles.items() if name in facts}
    return tuple(
        Leg(call_sid, stamp.facts(0, {"role": role}), {}) for call_sid, role in found.items()
    )


def _callback(event: CtiEvent, name: str, parameters: Mapping[str, Any]) -> Call | Silent:
    at = refined(parameters.get("Timestamp"), event.time) or event.arrived_at
    stamp = Stamp(at, event.event_id)
    said = (_text(parameters, "StatusCallbackEvent") or "").lower()
    conference = name.startswith("status-callback.conference")
    milestones = {said: at} if said in ("conference-start", "conference-end") else {}
    leg = None if milestones else leg_of(name, said, parameters, stamp.at)
    if not milestones and leg is None:
        return Silent("unknown-type")
    number = version(parameters.get("SequenceNumber"))
    facts = {"conference_sid": _text(parameters, "ConferenceSid") if conference else None}
    legs: tuple[Leg, ...] = ()
    if leg is not None:
        legs = (Leg(leg.call_sid, stamp.facts(number, leg.values), leg.milestones),)
    # No version: the conference's numbers are not the task's.
    return _call(event, at, facts=stamp.facts(0, facts), milestones=milestones, legs=legs)


def _call(
    event: CtiEvent,
    at: int,
    *,
    facts: Mapping[str, Fact],
    milestones: Mapping[str, int],
    reservations: tuple[Reservation, ...] = (),
    transfers: tuple[Transfer, ...] = (),
    legs: tuple[Leg, ...] = (),
) -> Call:
    return Call(
        task_sid=event.task_sid or "",
        revision=0,
        cause_event_id=event.event_id,
        cause_type=event.type,
        cause_at=at,
        first_event_at=at,
        latest_event_at=at,
        latest_arrival_at=event.arrived_at,
        facts=facts,
        milestones=milestones,
        reservations=reservations,
        transfers=transfers,
        legs=legs,
        direction=None,
        state="",
        connections=(),
    )


def parsed(attributes: Any) -> Mapping[str, Any]:
    """Attributes: an object, or one as JSON in text; empty for anything else."""
    if isinstance(attributes, str):
        try:
            attributes = orjson.loads(attributes)
        except orjson.JSONDecodeError:
            return {}
    return attributes if isinstance(attributes, dict) else {}


def version(value: Any) -> int:
    """A version or sequence number, as number or text; 0 where there is none."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int(value.strip()[:18])
    ok = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62
    return value if ok else 0


def _part(attributes: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = attributes.get(name)
    return value if isinstance(value, dict) else {}


def _text(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    return value.strip() or None if isinstance(value, str) else None
