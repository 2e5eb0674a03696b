"""Read the statements of a status callback: those of conference participants and calls are about a
leg, those of media streams about the media stream."""

from collections.abc import Mapping
from typing import Any

from pipeline.calls.fields import flag, text
from pipeline.twilio.sids import SidKind, sid_in
from schemas.fast_dataclass import dataclass

_STREAM_EVENTS = frozenset({"started", "stopped", "error"})
_OVER = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})


@dataclass(frozen=True, slots=True)
class Said:
    """Values and milestones of the leg or media stream with this SID."""

    sid: str
    values: Mapping[str, str | None]
    milestones: Mapping[str, int]


def leg_of(name: str, said: str, parameters: Mapping[str, Any], at: int) -> Said | None:
    """Return the statements of a callback of type `name` with `StatusCallbackEvent` `said` about
    its leg, or None if it has none."""
    call_sid = sid_in(parameters, "CallSid", SidKind.CALL)
    if call_sid is None:
        return None
    if name.startswith("status-callback.call."):
        values, milestones = _of_call(name.rpartition(".")[2], parameters, at)
    elif said.startswith("participant-"):
        values, milestones = _of_participant(said.removeprefix("participant-"), parameters, at)
    else:
        return None
    return Said(call_sid, values, milestones)


def media_stream_of(parameters: Mapping[str, Any], at: int) -> Said | None:
    """Return the statements of a stream status callback about its media stream; None if it does not
    name one."""
    stream_sid = sid_in(parameters, "StreamSid", SidKind.MEDIA_STREAM)
    if stream_sid is None:
        return None
    said = (text(parameters, "StreamEvent") or "").lower().removeprefix("stream-")
    status = said if said in _STREAM_EVENTS else None
    values = {
        "call_sid": sid_in(parameters, "CallSid", SidKind.CALL),
        "name": text(parameters, "StreamName"),
        "status": status,
        "error": text(parameters, "StreamError"),
    }
    return Said(stream_sid, values, {status: at} if status else {})


def _of_participant(
    said: str, parameters: Mapping[str, Any], at: int
) -> tuple[dict[str, str | None], dict[str, int]]:
    values = {
        "label": text(parameters, "ParticipantLabel"),
        "coaching": flag(parameters, "Coaching"),
        "muted": {"mute": "true", "unmute": "false"}.get(said),
        "hold": {"hold": "true", "unhold": "false"}.get(said),
        "presence": {"join": "joined", "leave": "left"}.get(said),
        # Twilio's callbacks do not state the ends, added events do.
        **_ends(parameters),
    }
    milestone = {"join": "joined", "leave": "left"}.get(said)
    if said == "join":
        values["joined_muted"] = flag(parameters, "Muted")
    if said == "join" and flag(parameters, "Hold") == "true":
        values["hold"] = "true"
    return values, {milestone: at} if milestone else {}


def _of_call(
    step: str, parameters: Mapping[str, Any], at: int
) -> tuple[dict[str, str | None], dict[str, int]]:
    status = (text(parameters, "CallStatus") or "").lower() or None
    values = {
        "call_status": status or step,
        **_ends(parameters),
    }
    if status in _OVER or step == "completed":
        return values, {"completed": at}
    answered = step == "answered" or status == "in-progress"
    return values, {"answered": at} if answered else {}


def _ends(parameters: Mapping[str, Any]) -> dict[str, str | None]:
    return {
        "from": text(parameters, "From"),
        "to": text(parameters, "To"),
        "call_direction": text(parameters, "Direction"),
    }
