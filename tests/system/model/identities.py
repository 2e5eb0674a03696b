"""The party that a leg belongs to. The rules, the first that fits:

1. A leg that coaches is a supervisor's.
2. The leg that the task named before a worker was asked for is the customer's.
3. The leg's own end: the worker's address makes it the worker's, in each of that worker's parts;
   the task's customer's address the customer's. Anonymous ends fit no party.
4. A label that names a worker (SID, address, name) makes it that worker's.
5. Then the label `customer` means the customer, of a leg that did not come after customer and agent
   were both there. No other label does.
6. The leg that the task named later is the customer's. Agents can write such names, so that it
   comes after the label.
7. A leg that came in muted, or is labelled `supervisor`, is a supervisor's.
8. A label `worker` or `agent`, or the task's own word makes it a worker's: the only one's, if only
   one ever accepted. So does a softphone, but as its name fits no worker, the worker is not known.

Several legs may be the customer's. Those labelled `customer` are judged in the order in which they
came: a leg that comes while a customer's leg and an agent are there is not the customer's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.system.model.ends import same
from tests.system.model.words import marks_of

_SECOND = 1_000


@dataclass(frozen=True)
class Traits:
    """The statements about a leg. `label`, `end` (its own one) and `flags` (`coaching`, `muted`) as
    the callbacks state them; `roles`: the attributes' words for it, first to last; `joined`: when
    it joined, to be compared with other legs; None: it never did; `left_at`: when it left (ms)."""

    call_sid: str
    label: str
    end: str
    flags: frozenset[str]
    roles: tuple[str, ...]
    joined: tuple[int, int, int, str] | None
    left_at: int | None


@dataclass(frozen=True)
class Identity:
    """The party of a leg: customer, worker, supervisor or unknown; `owners`: the worker's
    reservations; `way`: the customer's by which rule (named first, end, label, named later)."""

    party: str = ""
    owners: frozenset[str] = frozenset()
    way: str = ""


def identities(
    legs: Sequence[Traits],
    task: dict[str, Any],
    people: dict[str, dict[str, Any]],
    accepted: dict[str, int],
) -> dict[str, Identity]:
    """The party of each leg, by call SID. `task`, `people`: the facts of the task and of each
    reservation's worker; `accepted`: when reservations were accepted (ms)."""
    found = {leg.call_sid: _surely(leg, task, people) for leg in legs}
    labelled: list[Traits] = []
    for leg in legs:
        if not found[leg.call_sid].party and leg.label.lower() == "customer":
            labelled.append(leg)
        elif not found[leg.call_sid].party:
            found[leg.call_sid] = _at_last(leg, accepted, task)
    for leg in sorted(labelled, key=lambda leg: (leg.joined or (0, 0, 0, ""), leg.call_sid)):
        is_third = _came_after_both(leg, legs, found, accepted, task)
        found[leg.call_sid] = Identity("unknown") if is_third else Identity("customer", way="label")
    return found


def _surely(leg: Traits, task: dict[str, Any], people: dict[str, dict[str, Any]]) -> Identity:
    if "coaching" in leg.flags:
        return Identity("supervisor")
    if leg.call_sid == task.get("original"):
        return Identity("customer", way="named first")
    if same(leg.end, task.get("customer")):
        return Identity("customer", way="end")
    by_end = {sid for sid, facts in people.items() if same(leg.end, facts.get("contact_uri"))}
    workers = {people[sid].get("worker_sid") for sid in by_end} - {None}
    by_end |= {sid for sid, facts in people.items() if facts.get("worker_sid") in workers}
    by_label = {
        sid
        for sid, facts in people.items()
        if leg.label.lower() in marks_of(sid, facts) - {"customer", ""}
    }
    if by_end or by_label:
        return Identity("worker", frozenset(by_end | by_label))
    return Identity()


def _came_after_both(
    leg: Traits,
    legs: Sequence[Traits],
    found: dict[str, Identity],
    accepted: dict[str, int],
    task: dict[str, Any],
) -> bool:
    """Whether customer and agent were there when the leg came. The customer may be on a leg without
    a party: as many of these may be agents' as there are parts of agents without a known leg. A leg
    that names an agent is a known one of each part of the agent."""
    if leg.joined is None:
        return False
    agents = {sid for sid, at in accepted.items() if at // _SECOND <= leg.joined[0]}
    before = [o for o in legs if _joined_before(o, leg) and _is_there(o, leg.joined[0])]
    before += [
        o
        for o in legs
        if o.call_sid == task.get("original") and o not in before and _is_there(o, leg.joined[0])
    ]
    parties = [found[o.call_sid].party for o in before]
    owned = [f.owners for f in found.values() if f.party == "worker"]
    lacking = len(agents.difference(*owned))
    has_agent = bool(agents) or "worker" in parties
    return has_agent and ("customer" in parties or parties.count("unknown") > lacking)


def _joined_before(other: Traits, leg: Traits) -> bool:
    """Whether the other leg joined in an earlier second; within one second nothing is certain."""
    return other.joined is not None and leg.joined is not None and other.joined[0] < leg.joined[0]


def _is_there(other: Traits, second: int) -> bool:
    return other.left_at is None or other.left_at // _SECOND >= second


def _at_last(leg: Traits, accepted: dict[str, int], task: dict[str, Any]) -> Identity:
    label = leg.label.lower()
    worker = label in ("worker", "agent") or set(leg.roles) == {"worker"}
    if leg.call_sid == task.get("later") and not worker and not _is_softphone(leg):
        return Identity("customer", way="named later")
    if "muted" in leg.flags or label == "supervisor":
        return Identity("supervisor")
    if worker:
        return Identity("worker", frozenset(accepted if len(accepted) == 1 else ()))
    if _is_softphone(leg):
        return Identity("worker")
    return Identity("unknown")


def _is_softphone(leg: Traits) -> bool:
    return leg.end.lower().startswith("client:")
