"""Unusual forms of events in real accounts: JSON that strict parsers refuse, and times in any
notation.

Each writer returns the bytes of an event's Kinesis record. Everything that it adds is legal for the
JSON readers of JavaScript and Python, and does not change the meaning of the event.
"""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

from simulator.events import iso
from simulator.script import Json

Writer = Callable[[Json], bytes]

DEPTH = 500
LONG_TEXT = 300_000
DIGITS = 5_000

ODD_MEMBERS = (
    r'"note":"thanks \ud83d"',
    '"score":1e999,"low":-1e999',
    '"ratio":NaN,"most":Infinity',
    r'"note":"a\u0000b","":"\u0000"',
    '"deep":' + "[" * DEPTH + "]" * DEPTH,
    '"number":' + "9" * DIGITS,
)
"""Members of an object that strict parsers refuse; one line is enough."""
TWICE_IN_ATTRIBUTES = '"direction":"sideways","from":7,"direction":null'
TWICE_IN_EVENT = '"type":"com.twilio.unheard.of","id":"another","data":[]'
"""Members that the object repeats with their correct values: the last value counts."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
HALF_PAIR_IN_UTF_8 = b'"note":"\xed\xa0\xbd"'


def odd_text(random: Random) -> Writer:
    """Return a writer that puts odd text into the event and the attributes of task and worker."""

    def write(event: Json) -> bytes:
        event = _copy(event)
        payload = event["data"].get("payload")
        if payload is not None:
            _spoil_payload(payload, random)
        members = random.choice((*ODD_MEMBERS, TWICE_IN_EVENT))
        text = _with_members(json.dumps(event), members).encode()
        if random.random() < 0.2:
            text = b"{" + HALF_PAIR_IN_UTF_8 + b"," + text[1:]
        return BYTE_ORDER_MARK + text if random.random() < 0.3 else text

    return write


def odd_times(random: Random) -> Writer:
    """Return a writer that writes each time in a different notation. One of an event's three times
    is exact to at least the second; the others may be missing or invalid."""

    def write(event: Json) -> bytes:
        event = _copy(event)
        at = _at(event)
        data = event["data"]
        exact, other = random.choice(EXACT), random.choice(INEXACT)
        if "payload" not in data:
            event["time"] = other(at)
        elif random.random() < 0.5:
            data["payload"]["timestamp"], data["timestamp"] = exact(at), None
            event["time"] = other(at)
        else:
            data["payload"]["timestamp"], data["timestamp"] = random.choice(INVALID), None
            event["time"] = exact(at)
        return json.dumps(event).encode()

    return write


EXACT: tuple[Callable[[int], Any], ...] = (
    lambda at: iso(at).lower(),
    lambda at: iso(at).replace(".", ","),
    lambda at: iso(at).replace("Z", "+00:00"),
    lambda at: iso(at + 3_600_000).replace("Z", "+01:00"),
    lambda at: iso(at)[:19] + "Z",
    lambda at: at,
    str,
    lambda at: at // 1000,
    lambda at: str(at // 1000),
    lambda at: at / 1000,
)
"""Notations of a time that are exact to at least the second."""
INVALID: tuple[Any, ...] = ("soon", "", None, {}, [], True, math.inf, "2026-13-45T99:99:99Z")
"""Invalid times, which count as absent."""
INEXACT: tuple[Callable[[int], Any], ...] = (
    lambda at: iso(at)[:16] + "Z",
    lambda at: iso(at)[:16].lower() + "z",
    *(lambda _, value=value: value for value in INVALID),
)
"""Notations of a time without seconds, and invalid times."""


def _spoil_payload(payload: Json, random: Random) -> None:
    for name in ("task_attributes", "worker_attributes"):
        if payload.get(name):
            choices = [*ODD_MEMBERS, f'"transcript":"{"x" * LONG_TEXT}"']
            choices += [TWICE_IN_ATTRIBUTES] if name == "task_attributes" else []
            payload[name] = _with_members(payload[name], random.choice(choices))
    payload["task_age"] = random.choice((math.inf, math.nan, "1e999", {}, -1))
    payload["task_priority"] = random.choice((math.inf, [[]], "\ud83d"))


def _with_members(text: str, members: str) -> str:
    """Return the JSON object `text` with more members before its own. It must not be empty."""
    return "{" + members + "," + text[1:]


def _copy(event: Json) -> Json:
    copied: Json = json.loads(json.dumps(event))
    return copied


def _at(event: Json) -> int:
    return round(datetime.fromisoformat(event["time"]).astimezone(UTC).timestamp() * 1000)
