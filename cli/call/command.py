"""`flexcapture call`: print the state of a call at any moment."""

import asyncio
import json

from aiokafka.errors import KafkaError

from cli.call.formatting import as_json, as_text
from cli.call.reader import read_history
from cli.messages import print_error
from pipeline.error_text import error_text
from pipeline.runtime.log_reader import ProgressPrinter
from pipeline.runtime.settings import Settings
from pipeline.times import rfc3339
from schemas.topics import CALLS

_DAY_MS = 24 * 60 * 60 * 1000


def show_call(settings: Settings, task_sid: str, at: int | None, *, in_json: bool) -> int:
    """Print the state of the call as known at `at` (ms; None: every version, and the latest state).
    Return the exit status: 0; 1 if the call is not known, or Kafka cannot be read."""
    try:
        history = asyncio.run(read_history(settings, task_sid, at, ProgressPrinter()))
    except (KafkaError, LookupError, OSError) as error:
        return print_error(f"the topics cannot be read: {error_text(error)}")
    if history is None:
        when = "" if at is None else f" at {rfc3339(at)}"
        days = (CALLS.retention_ms or 0) // _DAY_MS
        name = settings.prefixed(CALLS.name)
        return print_error(
            f"no call {task_sid} was known{when}: it has no version on the topic {name}, which "
            f"keeps them for {days} days"
        )
    every = history.versions if at is None else None
    if in_json:
        print(json.dumps(as_json(history.latest, every, at), indent=2, ensure_ascii=False))
    else:
        print(as_text(history.latest, every, at))
    return 0
