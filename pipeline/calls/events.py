"""Turn the statements of one CTI event about its call into a small `Call`, which is merged into the
call.

Formats: Twilio Event Streams' TaskRouter events (`data.payload`, snake_case; attributes are JSON
inside text) and voice status callbacks (`data.request.parameters`, as in the classic callbacks).
Missing, invalid and unknown values are ignored. A field is set only if the event has it, so that no
event erases a value that only another event has.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pipeline.calls.channels import VOICE_CHANNELS, channel_facts
from pipeline.calls.cloud_events import (
    CONFERENCE_CALLBACKS,
    RESERVATION_EVENTS,
    STREAM_CALLBACKS,
    TASK_EVENTS,
    Malformed,
    callback_parameters,
    known_type,
    task_router_payload,
)
from pipeline.calls.fields import flag, parsed, part, repeated, stated_version, text, version
from pipeline.calls.stamps import Stamp
from pipeline.calls.status_callbacks import Said, leg_of, media_stream_of
from pipeline.calls.times import millis, refined
from pipeline.calls.transfers import transfer_of
from pipeline.calls.workers import worker_facts
from pipeline.lenient_json import Unreadable, loads
from pipeline.twilio.sids import SidKind, sid_in
from schemas.fast_dataclass import dataclass
from schemas.records import (
    Call,
    CtiEvent,
    Fact,
    Leg,
    ReportedStream,
    Reservation,
    Transfer,
)

_Party = TypeVar("_Party", Leg, ReportedStream)

_SEQUENCES = 1_000_000


@dataclass(frozen=True, slots=True)
class Silent:
    """The event has no statement about a call: its type is unknown, or it has no task."""

    reason: str


def delta(event: CtiEvent, voice_channels: frozenset[str] = VOICE_CHANNELS) -> Call | Silent:
    """Return the event's small call (derived fields empty, revision 0), or why it has none.
    `voice_channels`: the task channels that carry voice, in lower case."""
    if event.task_sid is None:
        return Silent("no-task")
    try:
        data = loads(event.body).get("data")
        name = known_type(event.type, data)
        if name is None:
            return Silent("unknown-type")
        if name in TASK_EVENTS or name in RESERVATION_EVENTS:
            payload = task_router_payload(event.type, data)
            return _task_router(event, name, payload, data, voice_channels)
        return _callback(event, name, callback_parameters(event.type, data))
    except (Malformed, Unreadable, AttributeError):
        return Silent("malformed")


def _task_router(
    event: CtiEvent,
    name: str,
    payload: Mapping[str, Any],
    data: Mapping[str, Any],
    voice_channels: frozenset[str],
) -> Call:
    stated = payload.get("timestamp")
    if millis(stated) is None:
        stated = data.get("timestamp")
    at = refined(stated, event.time, event.arrived_at)
    stamp = Stamp(at, event.event_id)
    scope, _, step = name.partition(".")
    milestones = {step: at} if scope == "task" and not step.startswith("transfer-") else {}
    stated_facts = _task_facts(payload, voice_channels)
    facts = stamp.facts(
        stated_version(payload.get("task_version")), stated_facts, is_first=name == "task.created"
    )
    if "customer_joined" in facts:
        # Every later event repeats the fact. Only the milestone keeps the first time.
        milestones["customer-joined"] = at
    return _call(
        event,
        at,
        facts=facts,
        legs=_known_legs(facts, stamp),
        milestones=milestones,
        reservations=_reservation(payload, step if scope == "reservation" else None, stamp),
        transfers=transfer_of(payload, step, stamp),
    )


def _task_facts(
    payload: Mapping[str, Any], voice_channels: frozenset[str]
) -> dict[str, str | None]:
    channel = text(payload, "task_channel_unique_name")
    attributes = payload.get("task_attributes")
    is_other = channel is not None and channel.lower() not in voice_channels
    return {
        **channel_facts(channel, voice_channels),
        # Shows that the task has a call. For voice tasks, `_of_attributes` reads it depending on
        # the direction.
        **({"call_sid": sid_in(parsed(attributes), "call_sid", SidKind.CALL)} if is_other else {}),
        "queue": text(payload, "task_queue_name"),
        "canceled_reason": text(payload, "task_canceled_reason"),
        **_attribute_facts(attributes),
    }


def _of_attributes(task_attributes: Any) -> Mapping[str, str | None]:
    """Return the statements of a task's attributes, an object or one as JSON in text."""
    attributes = parsed(task_attributes)
    conference = part(attributes, "conference")
    participants = part(conference, "participants")
    direction = _direction(attributes)
    customer_leg = sid_in(participants, "customer", SidKind.CALL)
    if direction == "inbound":
        customer_leg = sid_in(attributes, "call_sid", SidKind.CALL) or customer_leg
    return {
        "direction": direction,
        "customer": _customer(attributes, direction),
        "customer_call_sid": customer_leg,
        "customer_joined": sid_in(participants, "customer", SidKind.CALL),
        "worker_call_sid": sid_in(participants, "worker", SidKind.CALL),
        "conference_sid": sid_in(conference, "sid", SidKind.CONFERENCE),
    }


_attribute_facts = repeated(_of_attributes, 256)


def _direction(attributes: Mapping[str, Any]) -> str | None:
    """Return inbound, outbound or internal, by Flex's attributes; None if they do not show it.

    Callbacks and voicemail keep `direction: inbound` of the call that left them, and have the
    number to call in `outbound_to`, which decides.
    """
    targets = (text(attributes, "to"), text(attributes, "outbound_to"))
    if "true" in (flag(attributes, "client_call"), flag(attributes, "internal")):
        return "internal"
    if any(target is not None and target.lower().startswith("client:") for target in targets):
        return "internal"
    if targets[1] is not None:
        return "outbound"
    stated = (text(attributes, "direction") or "").lower()
    if stated.startswith(("inbound", "outbound")):
        return "inbound" if stated.startswith("inbound") else "outbound"
    if sid_in(attributes, "call_sid", SidKind.CALL) and (
        text(attributes, "from") or text(attributes, "caller")
    ):
        return "inbound"
    return None


def _customer(attributes: Mapping[str, Any], direction: str | None) -> str | None:
    names = {"inbound": ("from", "caller"), "outbound": ("outbound_to", "to")}.get(direction or "")
    return next((v for n in names or () if (v := text(attributes, n)) is not None), None)


def _reservation(
    payload: Mapping[str, Any], step: str | None, stamp: Stamp
) -> tuple[Reservation, ...]:
    sid = sid_in(payload, "reservation_sid", SidKind.RESERVATION)
    if sid is None or step is None:
        return ()
    values = {
        "worker_sid": sid_in(payload, "worker_sid", SidKind.WORKER),
        "worker_name": text(payload, "worker_name"),
        "queue": text(payload, "task_queue_name"),
        "transfer": text(payload, "task_transfer_sid"),
        **worker_facts(payload.get("worker_attributes")),
    }
    number = stated_version(payload.get("reservation_version"))
    facts = stamp.facts(number, values, is_first=step == "created")
    return (Reservation(sid, facts, {step: stamp.at}),)


def _known_legs(facts: Mapping[str, Fact], stamp: Stamp) -> tuple[Leg, ...]:
    """Return the legs that the task's attributes name, as legs with facts of their own, because the
    task only names its present legs."""
    roles = {"worker_call_sid": "worker", "customer_call_sid": "customer"}
    found = {facts[name].value: role for name, role in roles.items() if name in facts}
    return tuple(
        Leg(call_sid, stamp.facts(0, {"role": role}), {}) for call_sid, role in found.items()
    )


def _callback(event: CtiEvent, name: str, parameters: Mapping[str, Any]) -> Call | Silent:
    at = refined(parameters.get("Timestamp"), event.time, event.arrived_at)
    stamp = Stamp(at, event.event_id)
    if name in CONFERENCE_CALLBACKS:
        return _conference_callback(event, name, parameters, stamp)
    legs: tuple[Leg, ...] = ()
    streams: tuple[ReportedStream, ...] = ()
    if name in STREAM_CALLBACKS:
        streams = _party(ReportedStream, media_stream_of(parameters, at), parameters, stamp)
    else:
        legs = _party(Leg, leg_of(name, "", parameters, at), parameters, stamp)
    if not streams and not legs:
        return Silent("no-party")
    return _call(event, at, facts={}, milestones={}, legs=legs, media_streams=streams)


def _conference_callback(
    event: CtiEvent, name: str, parameters: Mapping[str, Any], stamp: Stamp
) -> Call | Silent:
    if (text(parameters, "FriendlyName") or event.task_sid) != event.task_sid:
        return Silent("other-conference")  # a leg of the call is or was in it
    said = (text(parameters, "StatusCallbackEvent") or "").lower()
    milestones = {said: stamp.at} if said in ("conference-start", "conference-end") else {}
    leg = None if milestones else leg_of(name, said, parameters, stamp.at)
    legs = _party(Leg, leg, parameters, stamp)
    if not milestones and not legs:
        return Silent("unknown-type")
    # No version: the conference's sequence numbers are not those of the task.
    facts = stamp.facts(
        0, {"conference_sid": sid_in(parameters, "ConferenceSid", SidKind.CONFERENCE)}
    )
    return _call(event, stamp.at, facts=facts, milestones=milestones, legs=legs)


def _party(
    kind: Callable[[str, Mapping[str, Fact], Mapping[str, int]], _Party],
    said: Said | None,
    parameters: Mapping[str, Any],
    stamp: Stamp,
) -> tuple[_Party, ...]:
    if said is None:
        return ()
    # Within a second, the sequence number orders callbacks. It starts again with each conference.
    sequence = min(version(parameters.get("SequenceNumber")), _SEQUENCES - 1)
    number = stamp.at // 1_000 * _SEQUENCES + sequence
    return (kind(said.sid, stamp.facts(number, said.values), said.milestones),)


def _call(
    event: CtiEvent,
    at: int,
    *,
    facts: Mapping[str, Fact],
    milestones: Mapping[str, int],
    reservations: tuple[Reservation, ...] = (),
    transfers: tuple[Transfer, ...] = (),
    legs: tuple[Leg, ...] = (),
    media_streams: tuple[ReportedStream, ...] = (),
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
        media_streams=media_streams,
    )
