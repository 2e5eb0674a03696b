"""The party that a leg belongs to. The rules, the first that fits:

1. A leg that coaches is a supervisor's.
2. The leg that the task named before a worker was asked for is the customer's.
3. The leg's own end: the worker's address makes it the worker's, the task's customer's address the
   customer's. Anonymous ends fit no party.
4. A label that names a worker (SID, address, name) makes it that worker's.
5. Then the label `customer` means the customer, of a leg that did not come after customer and agent
   were both there. No other label does.
6. The leg that the task named later is the customer's. Agents can write such names, so that it
   comes after the label.
7. A leg that came in muted, or is labelled `supervisor`, is a supervisor's.
8. A label `worker` or `agent`, a softphone, or the task's own word makes it a worker's.

Of the ways in which a leg may be the customer's only the strongest counts that fits any leg of the
call: 2, 3, 5, 6.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.system.model.ends import same
from tests.system.model.words import marks_of

_SECOND = 1_000
_STRENGTH = ("named first", "end")


@dataclass(frozen=True)
class Traits:
    """The statements about a leg. `label`, `end` (its own one) and `flags` (`coaching`, `muted`) as
    the callbacks say them; `roles`: the attributes' words for it, first to last; `came`: when it
    came, to be compared with other legs; None: it never did; `left_at`: when it was gone (ms)."""

    call_sid: str
    label: str
    end: str
    flags: frozenset[str]
    roles: tuple[str, ...]
    came: tuple[int, int, int, str] | None
    left_at: int | None


@dataclass(frozen=True)
class Identity:
    """The party of a leg: customer, worker, supervisor or unknown; `owners`: the worker's
    reservations."""

    whose: str = ""
    owners: frozenset[str] = frozenset()


def identities(
    legs: Sequence[Traits],
    task: dict[str, Any],
    people: dict[str, dict[str, Any]],
    accepted: dict[str, int],
) -> dict[str, Identity]:
    """The party of each leg, by call SID. `task`, `people`: the facts of the task and of each
    reservation's worker; `accepted`: when reservations were accepted (ms)."""
    found = {leg.call_sid: _surely(leg, task, people) for leg in legs}
    ways = [way for way in _STRENGTH if any(f.whose == way for f in found.values())]
    customers = [sid for sid, f in found.items() if ways and f.whose == ways[0]]
    if not ways:
        workers = [leg for leg in legs if found[leg.call_sid].whose == "worker"]
        open_ = [leg for leg in legs if not found[leg.call_sid].whose]
        owners = {leg.call_sid: found[leg.call_sid].owners for leg in workers}
        customers = _by_label(open_, workers, owners, accepted, task) or _named(open_, task)
    for leg in legs:
        if leg.call_sid in customers:
            found[leg.call_sid] = Identity("customer")
        elif found[leg.call_sid].whose not in ("worker", "supervisor"):
            found[leg.call_sid] = _at_last(leg, accepted)
    return found


def _surely(leg: Traits, task: dict[str, Any], people: dict[str, dict[str, Any]]) -> Identity:
    if "coaching" in leg.flags:
        return Identity("supervisor")
    if leg.call_sid == task.get("original"):
        return Identity("named first")
    if same(leg.end, task.get("customer")):
        return Identity("end")
    by_end = {sid for sid, facts in people.items() if same(leg.end, facts.get("contact_uri"))}
    by_label = {
        sid
        for sid, facts in people.items()
        if leg.label.lower() in marks_of(sid, facts) - {"customer", ""}
    }
    if by_end or by_label:
        return Identity("worker", frozenset(by_end | by_label))
    return Identity()


def _named(legs: Sequence[Traits], task: dict[str, Any]) -> list[str]:
    return [leg.call_sid for leg in legs if leg.call_sid == task.get("later")]


def _by_label(
    legs: Sequence[Traits],
    workers: Sequence[Traits],
    owners: dict[str, frozenset[str]],
    accepted: dict[str, int],
    task: dict[str, Any],
) -> list[str]:
    """The leg that is the customer's by its label; of several the one that the task named, else
    the first. `legs`: those without a party so far; `owners`: the reservations of workers' legs."""
    last = {leg.call_sid: _at_last(leg, accepted) for leg in legs}
    known = [*workers, *(leg for leg in legs if last[leg.call_sid].whose == "worker")]
    known_owners = [(leg, owners.get(leg.call_sid) or last[leg.call_sid].owners) for leg in known]
    others = [leg for leg in legs if last[leg.call_sid].whose == "unknown"]
    labelled = [leg for leg in legs if leg.label.lower() == "customer"]
    named = task.get("later")
    left = [
        leg for leg in labelled if not _came_after_both(leg, others, known_owners, accepted, named)
    ]
    if any(leg.call_sid == named for leg in left):
        return [str(named)]
    first = min((leg.came for leg in left if leg.came), default=None)
    return [leg.call_sid for leg in left if leg.came in (None, first)]


def _came_after_both(
    leg: Traits,
    others: Sequence[Traits],
    workers: Sequence[tuple[Traits, frozenset[str]]],
    accepted: dict[str, int],
    named: str | None,
) -> bool:
    """Whether customer and agent were there when the leg came. The customer is the leg `named`
    later, or one without a party: as many of these may be agents' as there are parts of agents
    without a known leg. A leg that names an agent is a known one of each part of the agent."""
    if leg.came is None:
        return False
    others = [o for o in others if _counts(o, leg.came[0])]
    agents = {sid for sid, at in accepted.items() if at // _SECOND <= leg.came[0]}
    unnamed = sum(not owners and _came_before(other, leg) for other, owners in workers)
    lacking = len(agents.difference(*(owners for _, owners in workers))) - unnamed
    before = [other.call_sid for other in others if _came_before(other, leg)]
    return bool(agents) and (named in before or len(before) > max(0, lacking))


def _came_before(other: Traits, leg: Traits) -> bool:
    """Whether the other leg came in a second before; within one nothing is certain."""
    return other.came is not None and leg.came is not None and other.came[0] < leg.came[0]


def _counts(other: Traits, second: int) -> bool:
    """Whether the other leg is there at that time, or was the customer's by its label."""
    there = other.left_at is None or other.left_at // _SECOND >= second
    return there or other.label.lower() == "customer"


def _at_last(leg: Traits, accepted: dict[str, int]) -> Identity:
    label = leg.label.lower()
    if "muted" in leg.flags or label == "supervisor":
        return Identity("supervisor")
    softphone = leg.end.lower().startswith("client:")
    if label in ("worker", "agent") or softphone or set(leg.roles) == {"worker"}:
        return Identity("worker", frozenset(accepted if len(accepted) == 1 else ()))
    return Identity("unknown")
