"""What a conference participant's or a call's status callback says of its leg."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_OVER = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})


@dataclass(frozen=True, slots=True)
class LegSaid:
    """Values and milestones of a leg."""

    call_sid: str
    values: Mapping[str, str | None]
    milestones: Mapping[str, int]


def leg_of(name: str, said: str, parameters: Mapping[str, Any], at: int) -> LegSaid | None:
    """What the callback of type `name` with `StatusCallbackEvent` `said` tells; None: nothing."""
    call_sid = _text(parameters, "CallSid")
    if call_sid is None:
        return None
    if name.startswith("status-callback.call."):
        values, milestones = _of_call(name.rpartition(".")[2], parameters, at)
    elif said.startswith("participant-"):
        values, milestones = _of_participant(said.removeprefix("participant-"), parameters, at)
    else:
        return None
    return LegSaid(call_sid, values, milestones)


def _of_participant(
    said: str, parameters: Mapping[str, Any], at: int
) -> tuple[dict[str, str | None], dict[str, int]]:
    values = {
        "label": _text(parameters, "ParticipantLabel"),
        "coaching": _flag(parameters, "Coaching"),
        "muted": {"mute": "true", "unmute": "false"}.get(said),
        "hold": {"hold": "true", "unhold": "false"}.get(said),
        "presence": {"join": "joined", "leave": "left"}.get(said),
    }
    milestone = {"join": "joined", "leave": "left"}.get(said)
    if said == "join" and _flag(parameters, "Hold") == "true":
        values["hold"] = "true"
    return values, {milestone: at} if milestone else {}


def _of_call(
    step: str, parameters: Mapping[str, Any], at: int
) -> tuple[dict[str, str | None], dict[str, int]]:
    status = (_text(parameters, "CallStatus") or "").lower() or None
    values = {"call_status": status or step, "to": _text(parameters, "To")}
    if status in _OVER or step == "completed":
        return values, {"completed": at}
    answered = step == "answered" or status == "in-progress"
    return values, {"answered": at} if answered else {}


def _flag(parameters: Mapping[str, Any], name: str) -> str | None:
    value = parameters.get(name)
    text = str(value).lower()
    return text if text in ("true", "false") else None


def _text(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    return value.strip() or None if isinstance(value, str) else None
