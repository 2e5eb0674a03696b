"""The order of events and moments, and conclusions from them."""

from typing import Any

from tests.system.model.legs import Leg
from tests.system.model.parts import Session
from tests.system.model.reading import Statement
from tests.system.model.words import plain_user

SECOND = 1_000


def all_left(legs: list[Leg]) -> int | None:
    """When the last of the customer's legs left. A leg that the task named late, and that
    was never on the call, as far as is known, is not waited for."""
    customers = [leg for leg in legs if leg.party == "customer"]
    known = [leg for leg in customers if leg.was_on or leg.way == "named first"]
    if any(leg.left_at is None for leg in known):
        return None
    return max((at for leg in known or customers if (at := leg.left_at) is not None), default=None)


def list_lines(worker: dict[str, Any]) -> set[str]:
    """The lines of a list that name such a worker: e-mail address, user of the contact address,
    name, SID, team."""
    names = [worker["email"], worker["worker_name"]]
    names += [worker["contact_uri"] and plain_user(worker["contact_uri"])]
    lines = {line for name in names if name for line in (name, f"worker:{name}")}
    lines |= {worker["worker_sid"]} if worker["worker_sid"] else set()
    lines |= {f"team:{worker['team']}"} if worker["team"] else set()
    return {line.lower() for line in lines}


def in_order(
    numbered: list[tuple[Statement, int | None]], subject: str, *, first: bool
) -> list[Statement]:
    """The events by version. One without a version, unless it creates its subject, does not
    count as the first, nor as the last, if there is another one."""

    def rank(pair: tuple[Statement, int | None]) -> tuple[float, int, str]:
        statement, version = pair
        begins = (statement["subject"], statement["step"]) == (subject, "created")
        none = float("inf") if first and not begins else 0
        return none if version is None else version, statement["at"], statement["id"]

    return [statement for statement, _ in sorted(numbered, key=rank)]


def first_of(exact: int | None, other: int | None) -> int | None:
    if exact is None or other is None:
        return other if exact is None else exact
    coarse = other % SECOND == 0 and other // SECOND == exact // SECOND
    return exact if coarse else min(exact, other)


def connection(session: Session, legs: list[Leg], ringing: bool) -> str:
    if session.ended_at is not None:
        return "ended"
    if session.started_at is None:
        return "alerting"
    if ringing:
        return "ringing"
    customers = [leg for leg in legs if leg.party == "customer"]
    candidates = customers or [leg for leg in legs if leg.party == "unknown"]
    own = [leg for leg in legs if leg.party == "worker" and session.reservation_sid in leg.owners]
    return "hold" if any(leg.is_held for leg in candidates + own) else "active"


def customer_leg_of(legs: list[Leg], facts: dict[str, Any], named_legs: list[str]) -> str | None:
    """The leg to stream: the task's first word, unless that leg is gone and another one is at
    the customer's end; then that one; then the only one with a label, of those that
    are there; then the task's later words, but for the legs of others."""
    customers = [leg for leg in legs if leg.party == "customer"]
    at_end = [leg for leg in customers if leg.way == "end" and leg.was_on]
    at_end = [leg for leg in at_end if leg.left_at is None] or at_end
    first = [leg for leg in customers if leg.way == "named first"]
    is_gone = all(leg.left_at is not None for leg in first)
    is_replaced = is_gone and len(at_end) == 1 and at_end[0].left_at is None
    if first and not is_replaced:
        return first[0].call_sid
    labelled = [leg for leg in customers if leg.way == "label"]
    labelled = [leg for leg in labelled if leg.left_at is None] or labelled
    for found in (at_end, [] if at_end else labelled):
        if len(found) == 1:
            return found[0].call_sid
    theirs = {leg.call_sid for leg in legs if leg.party in ("worker", "supervisor")}
    named = [facts.get("later"), *named_legs]
    return next((sid for sid in named if sid and sid not in theirs), None)


def over_at(
    legs: list[Leg], steps: dict[str, int], reservations: dict[str, dict[str, int]]
) -> int | None:
    """When the call was over, if its end is known."""
    ends = [] if (gone := all_left(legs)) is None else [gone]
    ends += [steps["canceled"]] if "canceled" in steps else []
    conference = steps.get("conference-end")
    later = [each.get("created", 0) for each in reservations.values()]
    later += [leg.in_since or 0 for leg in legs]
    if conference is not None and all(at <= conference + SECOND for at in later):
        ends.append(conference)
    return min(ends, default=None)
