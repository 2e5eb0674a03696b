"""Find the invalid SIDs in an event, for the bridge's counter. `events` reads only valid ones."""

from collections.abc import Mapping
from typing import Any

from pipeline.calls.fields import parsed, part, repeated
from pipeline.twilio.sids import SidKind, invalid_in

_PAYLOAD = {
    "task_sid": SidKind.TASK,
    "reservation_sid": SidKind.RESERVATION,
    "worker_sid": SidKind.WORKER,
    "transfer_initiating_reservation_sid": SidKind.RESERVATION,
    "transfer_initiating_worker_sid": SidKind.WORKER,
}
_PARAMETERS = {
    "CallSid": SidKind.CALL,
    "ConferenceSid": SidKind.CONFERENCE,
    "StreamSid": SidKind.MEDIA_STREAM,
}
_ATTRIBUTES = {"call_sid": SidKind.CALL}
_CONFERENCE = {"sid": SidKind.CONFERENCE}
_PARTICIPANTS = {"customer": SidKind.CALL, "worker": SidKind.CALL}


def invalid_in_payload(payload: Mapping[str, Any]) -> tuple[SidKind, ...]:
    """Return the kinds of the invalid SIDs in a TaskRouter event's payload and in the task's
    attributes."""
    return (*invalid_in(payload, _PAYLOAD), *_invalid_in_task(payload.get("task_attributes")))


def invalid_in_parameters(parameters: Mapping[str, Any]) -> tuple[SidKind, ...]:
    """Return the kinds of the invalid SIDs in a status callback's parameters."""
    return invalid_in(parameters, _PARAMETERS)


def _in_attributes(task_attributes: Any) -> tuple[SidKind, ...]:
    attributes = parsed(task_attributes)
    conference = part(attributes, "conference")
    # Flex's template for outbound tasks writes the worker's SID to `call_sid`, which is not read.
    is_outbound = str(attributes.get("direction")).lower().startswith("outbound")
    return (
        *(() if is_outbound else invalid_in(attributes, _ATTRIBUTES)),
        *invalid_in(conference, _CONFERENCE),
        *invalid_in(part(conference, "participants"), _PARTICIPANTS),
    )


_invalid_in_task = repeated(_in_attributes, 256)
