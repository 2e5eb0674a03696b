"""The content of one CloudEvent, read on its own: plain words for the model to sort and read.

From Twilio's formats alone; imports nothing of the product.
"""

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypedDict

_TASKROUTER = "com.twilio.taskrouter."
_CALLBACK = "com.twilio.voice.status-callback."
_TASK_STEPS = {
    "created", "updated", "canceled", "completed", "deleted", "system-deleted", "wrapup",
    "transfer-initiated", "transfer-completed", "transfer-failed", "transfer-canceled",
    "transfer-attempt-failed",
}  # fmt: skip
_RESERVATION_STEPS = {
    "created", "accepted", "rejected", "timeout", "canceled", "rescinded", "completed", "failed",
    "wrapup",
}  # fmt: skip
_PAYLOAD_SIDS = {
    "task_sid": "WT",
    "reservation_sid": "WR",
    "worker_sid": "WK",
    "transfer_initiating_reservation_sid": "WR",
    "transfer_initiating_worker_sid": "WK",
}
_CALLBACK_SIDS = {"CallSid": "CA", "ConferenceSid": "CF", "StreamSid": "MZ"}
_CALL_STEPS = {"initiated", "ringing", "answered", "completed"}


class Statement(TypedDict):
    """An event, read. `subject`: task, reservation, participant, call, conference; `step`: what
    happened; `at`: ms; `number`: the version or sequence number that orders it among its like, None
    for no version, 0 for no sequence number; `words`: the payload or the callback's parameters."""

    id: str
    subject: str
    step: str
    at: int
    number: int | None
    task: str | None
    leg: str | None
    words: dict[str, Any]


def read(event: dict[str, Any], arrived_at: int) -> Statement | None:
    """Return the content of the event; None if it says nothing about a call."""
    kind, data = event["type"], event.get("data") or {}
    if kind.startswith(_TASKROUTER):
        return _of_task_router(event, data, kind.removeprefix(_TASKROUTER), arrived_at)
    if kind.startswith(_CALLBACK):
        return _of_callback(event, data, kind.removeprefix(_CALLBACK), arrived_at)
    return None


def _of_task_router(
    event: dict[str, Any], data: dict[str, Any], name: str, arrived_at: int
) -> Statement | None:
    payload = data.get("payload")
    if not isinstance(payload, dict):
        return None
    payload = _with_sids(payload, _PAYLOAD_SIDS)
    if not payload.get("task_sid"):
        return None
    subject, _, step = name.partition(".")
    if step not in {"task": _TASK_STEPS, "reservation": _RESERVATION_STEPS}.get(subject, set()):
        return None
    stamp = payload.get("timestamp")
    return {
        "id": event["id"],
        "subject": subject,
        "step": step,
        "at": _at(stamp if moment(stamp) else data.get("timestamp"), event, arrived_at),
        "number": number(payload.get("task_version")),
        "task": payload["task_sid"],
        "leg": None,
        "words": payload,
    }


def _of_callback(
    event: dict[str, Any], data: dict[str, Any], name: str, arrived_at: int
) -> Statement | None:
    words = _with_sids((data.get("request") or {}).get("parameters") or {}, _CALLBACK_SIDS)
    callback = str(words.get("StatusCallbackEvent") or "").lower()
    if name.startswith("call.") and name.removeprefix("call.") in _CALL_STEPS:
        subject, step = "call", name.removeprefix("call.")
    elif name.startswith("conference.") and callback.startswith("participant-"):
        subject, step = "participant", callback.removeprefix("participant-")
    elif name.startswith("conference.") and callback in (
        "conference-start",
        "conference-end",
    ):
        subject, step = "conference", callback.removeprefix("conference-")
    else:
        return None
    if subject != "conference" and not words.get("CallSid"):
        return None
    friendly = str(words.get("FriendlyName") or "")
    if friendly and not is_sid("WT", friendly):
        return None  # a conference of another kind
    return {
        "id": event["id"],
        "subject": subject,
        "step": step,
        "at": _at(words.get("Timestamp"), event, arrived_at),
        "number": number(words.get("SequenceNumber")) or 0,
        "task": friendly or None,
        "leg": None if subject == "conference" else words["CallSid"],
        "words": words,
    }


def _at(stamp: Any, event: dict[str, Any], arrived_at: int) -> int:
    """The event's own time. A stamp of whole seconds is made finer by the envelope's time, if that
    lies in the same second; one without seconds, by the envelope's or the arrival's, if that lies
    in the same minute."""
    own, envelope = moment(stamp), moment(event.get("time"))
    if own is None:
        return envelope or arrived_at
    if isinstance(stamp, str) and re.fullmatch(r"[^:]*[Tt ]\d\d:\d\d(Z|z|[+-]\d\d:\d\d)?", stamp):
        for finer in (envelope or 0, arrived_at):
            if finer % 60_000 and finer // 60_000 == own // 60_000:
                return finer
        return own
    is_coarse = own % 1000 == 0 and "." not in str(stamp)
    return envelope if is_coarse and envelope and envelope // 1000 == own // 1000 else own


def moment(value: Any) -> int | None:
    """Milliseconds since the epoch, of ISO 8601, RFC 2822, or epoch seconds or milliseconds, as
    number or text; None of anything else."""
    if isinstance(value, bool):
        return None
    try:
        number_of = float(value)
        return round(number_of if number_of > 1e11 else number_of * 1000)
    except OverflowError:
        return None
    except (TypeError, ValueError):
        if not isinstance(value, str):
            return None
    leap = isinstance(value, str) and re.search(r"[ tT]\d\d:\d\d:60", value) is not None
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            found = parse(_plain(value, leap=leap, iso=parse == datetime.fromisoformat))
        except (TypeError, ValueError):
            continue
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return round(found.timestamp() * 1000) + (1000 if leap else 0)
    return None


def _plain(value: Any, *, leap: bool, iso: bool) -> Any:
    """The text without what Python's parsers do not know: `t`, `z`, and a second 60."""
    if leap:
        value = re.sub(r"([ tT]\d\d:\d\d):60", r"\1:59", value)
    return value.replace("t", "T").replace("z", "Z") if iso and isinstance(value, str) else value


def number(value: Any) -> int | None:
    """Return a version or a sequence number; None if the value is neither."""
    is_one = str(value).isdigit() and len(str(value)) <= 19 and int(value) < 2**62
    return int(value) if is_one else None


def attributes(text: Any) -> dict[str, Any]:
    """Attributes in JSON, without invalid SIDs; empty if they are absent or not JSON. Read as
    Python reads it, after a byte order mark."""
    try:
        found = json.loads(text.removeprefix("\ufeff"), parse_int=_integer)
    except (AttributeError, TypeError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    found = _with_sids(found, {"call_sid": "CA"})
    if isinstance(conference := found.get("conference"), dict):
        conference = found["conference"] = _with_sids(conference, {"sid": "CF"})
        if isinstance(people := conference.get("participants"), dict):
            conference["participants"] = _with_sids(people, dict.fromkeys(people, "CA"))
    return found


def _integer(digits: str) -> int | float:
    """A number of any length: Python converts no more than 4300 digits."""
    return int(digits) if len(digits) < 1_000 else float(digits)


def is_sid(prefix: str, value: Any) -> bool:
    """Whether it is the prefix and 32 hexadecimal digits."""
    return isinstance(value, str) and bool(re.fullmatch(prefix + "[0-9a-fA-F]{32}", value))


def _with_sids(words: dict[str, Any], kinds: dict[str, str]) -> dict[str, Any]:
    """The words without invalid SIDs."""
    return {w: v for w, v in words.items() if w not in kinds or is_sid(kinds[w], v)}
