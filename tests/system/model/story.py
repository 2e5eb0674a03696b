"""An independent, naive model of a call, for the tests, by the events known so far.

Written from the specification; it imports nothing of the product. It sorts the events into the
story's order, walks through them, and starts from scratch each time: slow, and simple enough to be
believed. `story` describes the call, `tests/system/model/verdicts.py` decides whether it is
recorded.
"""

from collections.abc import Collection, Iterable
from typing import Any

from tests.system.model.parts import Session, Story, Transfer
from tests.system.model.reader import Reader
from tests.system.model.reading import Statement, attributes, read
from tests.system.model.words import direction_of

__all__ = ["Known", "Session", "Story", "Transfer", "statements_of", "story", "task_sids"]

Known = tuple[dict[str, Any], int]
"""A CloudEvent as it is in JSON, and when it arrived (ms)."""


def story(
    known: Iterable[Known], task_sid: str, now: int = 0, legs: Collection[str] = ()
) -> Story | None:
    """Return the call of the task, by the events known at `now` (ms), in any order and with any
    repetition; None if none is known. Events of other tasks are skipped; an event that names only a
    call leg counts if the leg is this call's. `legs`: call SIDs that only Twilio's lists show to be
    the call's."""
    statements = statements_of(known, task_sid, legs)
    return None if not statements else Reader(task_sid, statements).story(now)


def task_sids(known: Iterable[Known]) -> set[str]:
    """The tasks that are spoken of."""
    found = (read(event, at) for event, at in known)
    return {each["task"] for each in found if each is not None and each["task"] is not None}


def statements_of(
    known: Iterable[Known], task_sid: str, legs: Collection[str] = ()
) -> list[Statement]:
    """What the events say of this task, each event once, in the order of time."""
    once: dict[str, Statement] = {}
    for event, at in sorted(known, key=lambda k: (k[1], str(k[0]))):
        statement = read(event, at)
        if statement is not None:
            once.setdefault(statement["id"], statement)
    own = [s for s in once.values() if s["task"] == task_sid]
    named = {*legs, *(leg for s in own for leg in _legs_named(s))}
    own += [s for s in once.values() if s["task"] is None and s["leg"] in named]
    return sorted(own, key=lambda s: (s["at"], s["number"] or 0, s["id"]))


def _legs_named(statement: Statement) -> set[str]:
    task = attributes(statement["words"].get("task_attributes"))
    participants = (task.get("conference") or {}).get("participants") or {}
    named = {statement["leg"], participants.get("customer"), participants.get("worker")}
    if direction_of(task) == "inbound":
        named.add(task.get("call_sid"))
    return {leg for leg in named if leg}
