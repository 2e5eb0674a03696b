"""Events and participants in the forms of an unusual Twilio account (`unlike.py`)."""

from datetime import datetime
from typing import Any

from simulator.script import Json
from simulator.unlike import Unlike


def as_written(event: Json, unlike: frozenset[Unlike]) -> Json:
    """Return the event in the form of this account."""
    if Unlike.EVENT_TIMES in unlike:
        data = _in_seconds(event["data"])
        payload = data.get("payload")
        if isinstance(payload, dict):
            data = data | {"payload": _in_seconds(payload)}
        event = event | {"data": data}
    if Unlike.EVENT_ENVELOPE in unlike:
        event = {k: v for k, v in event.items() if k not in ("time", "datacontenttype")}
    return event


def as_listed(participant: Json, unlike: frozenset[Unlike]) -> Json:
    """Return a conference's participant in the form of this account."""
    if Unlike.LABELS in unlike:
        participant = participant | {"label": None}
    if unlike & {Unlike.PARTICIPANT_STATUS, Unlike.START_WHILE_RINGING}:
        participant = {k: v for k, v in participant.items() if k != "status"}
    return participant


def _in_seconds(values: Json) -> Json:
    at: Any = values.get("timestamp")
    if not isinstance(at, str):
        return values
    return values | {"timestamp": int(datetime.fromisoformat(at).timestamp())}
