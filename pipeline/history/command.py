"""`flexcapture call`: the state of a call at any moment, printed."""

import asyncio
import json
import sys
from datetime import datetime, timedelta

from aiokafka.errors import KafkaError

from pipeline.history.reader import read_history
from pipeline.history.shown import as_json, as_text
from pipeline.replay import Told
from pipeline.settings import Settings
from pipeline.times import rfc3339, utc
from schemas.topics import CALLS

_DAY_MS = 24 * 60 * 60 * 1000


def show_call(settings: Settings, task_sid: str, at: int | None, *, in_json: bool) -> int:
    """Prints what was known of the call at `at` (ms; None: every version, and what is known now).
    The exit status: 0; 1 where the call is not known, or Kafka cannot be read."""
    try:
        history = asyncio.run(read_history(settings, task_sid, at, Told()))
    except (KafkaError, LookupError, OSError) as error:
        return _failed(f"the topics cannot be read: {error or type(error).__name__}")
    if history is None:
        when = "" if at is None else f" at {rfc3339(at)}"
        days = (CALLS.retention_ms or 0) // _DAY_MS
        name = settings.prefixed(CALLS.name)
        return _failed(
            f"no call {task_sid} was known{when}: it has no version on the topic {name}, which "
            f"keeps them for {days} days"
        )
    every = history.versions if at is None else None
    if in_json:
        print(json.dumps(as_json(history.latest, every, at), indent=2, ensure_ascii=False))
    else:
        print(as_text(history.latest, every, at))
    return 0


def moment(text: str) -> int:
    """A moment as it is given on the command line, as ms: RFC 3339 with its offset, or whole
    milliseconds since the epoch. Raises `ValueError` that says what is wrong."""
    if text.isascii() and text.isdigit():
        if len(text) != 13:
            raise ValueError(f"{text} is not milliseconds since the epoch: those have 13 digits")
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no time: RFC 3339, as in 2026-01-31T12:00:00.000Z, or milliseconds"
        ) from None
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC: write Z after it, or +01:00")
    return (found - utc(0)) // timedelta(milliseconds=1)


def _failed(what: str) -> int:
    print(f"flexcapture: {what}", file=sys.stderr, flush=True)
    return 1
