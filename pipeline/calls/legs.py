"""Identification of legs: the customer's, a worker's, a supervisor's, or not known. Pure.

Evidence, strongest first (docs/decisions/0023). The first that applies decides:

1. coaching: a supervisor;
2. the SID that the task named before a worker was requested: the customer;
3. the person's end of the leg (`ends`): the customer's number or address, or the worker's own;
4. the label `customer`, unless the leg joined while customer and worker were both present, or is at
   another end than the customer, and the customer's own leg is known;
5. a label that names a worker;
6. a SID that the task named as the worker's, or the label `worker` or `agent`;
7. a Flex client: some worker or, if it joined muted, a supervisor;
8. a SID that the task named as the customer's later, while a worker had it;
9. joined muted, or labelled `supervisor`: a listener.

Labels are free text. Attributes can be rewritten while the task runs. So a leg that they named late
counts less than Twilio's own information, and only if it joined the conference or nothing
contradicts it.
"""

from pipeline.calls.claims import values_of
from pipeline.calls.contested import is_contested_leg
from pipeline.calls.ends import NO_ENDS, end_of
from pipeline.calls.leg_facts import (
    ends_of,
    is_at_another_end,
    is_client,
    is_shown_late,
    label_of,
)
from pipeline.calls.presence import came_at, created_at, is_there, left_at, was_answered
from pipeline.calls.workers import marks, own_ends, value
from schemas.fast_dataclass import dataclass
from schemas.records import Call, Leg

CUSTOMER_LABEL = "customer"
WORKER_LABELS = frozenset({"worker", "agent"})
SUPERVISOR_LABEL = "supervisor"

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Legs:
    """A call's legs by kind. `workers`: each with the SIDs of the reservations that it may belong
    to; none if it is only known to belong to some worker.

    `by_ends`: SIDs of the legs that are the customer's by their ends; `own_ends`: SIDs of the legs
    that are a worker's own by their ends; `names`: the legs as the task names them.
    """

    customers: tuple[Leg, ...]
    workers: tuple[tuple[Leg, frozenset[str]], ...]
    supervisors: tuple[Leg, ...]
    unknown: tuple[Leg, ...]
    names: "_Names | None" = None
    by_ends: frozenset[str] = _NONE
    own_ends: frozenset[str] = _NONE


_NO_LEGS = Legs((), (), (), ())


@dataclass(frozen=True, slots=True)
class _Names:
    """The legs as the task names them. `original`: the customer's leg as named before a worker was
    requested; `later`: as named afterwards, if that is credible; `customer`: the customer's end, in
    normal form."""

    original: str | None
    later: str | None
    customer: str | None


class _Sorting:
    """Sorts the legs of a call by kind."""

    def __init__(self, call: Call, names: _Names) -> None:
        self.names = names
        self.reservations = call.reservations
        self.accepted = [r for r in call.reservations if "accepted" in r.milestones]
        self.customers: list[Leg] = []
        self.of_workers: list[tuple[Leg, frozenset[str]]] = []
        self.supervisors: list[Leg] = []
        self.labelled: list[Leg] = []
        self.rest: list[Leg] = []
        self.by_ends: set[str] = set()
        self.own_ends: set[str] = set()

    def put(self, leg: Leg) -> None:
        """Add a leg. Legs labelled `customer` are sorted once all others are known."""
        if value(leg.facts, "coaching") == "true":
            self.supervisors.append(leg)
        elif leg.call_sid == self.names.original:
            self.customers.append(leg)
        elif not self._put_by_ends(leg):
            self._put_by_label(leg, label_of(leg))

    def _put_by_ends(self, leg: Leg) -> bool:
        persons, stated = ends_of(leg).persons, value(leg.facts, "owner")
        if not persons and stated is None:
            return False
        # A worker's attributes may state any address, even the customer's.
        if self.names.customer is not None and self.names.customer in persons:
            self.customers.append(leg)
            self.by_ends.add(leg.call_sid)
            return True
        owners = frozenset(
            r.sid
            for r in self.reservations
            if (stated is not None and value(r.facts, "worker_sid") == stated)
            or not own_ends(r).isdisjoint(persons)
        )
        if owners:
            self.of_workers.append((leg, self._of_same_workers(owners)))
            self.own_ends.add(leg.call_sid)
        return bool(owners)

    def _of_same_workers(self, owners: frozenset[str]) -> frozenset[str]:
        """Return all reservations of these workers: a later reservation may lack the ends."""
        named = [(r.sid, value(r.facts, "worker_sid")) for r in self.reservations]
        workers = {worker for sid, worker in named if sid in owners and worker is not None}
        return owners | {sid for sid, worker in named if worker in workers}

    def _put_by_label(self, leg: Leg, label: str) -> None:
        if label == CUSTOMER_LABEL:
            self.labelled.append(leg)
        elif owners := self._labelled_owners(label):
            self.of_workers.append((leg, owners))
        elif label in WORKER_LABELS or _is_named_worker(leg):
            self.of_workers.append((leg, self._only_worker()))
        elif is_client(ends_of(leg)):
            if is_listener(leg):
                self.supervisors.append(leg)
            else:
                self.of_workers.append((leg, _NONE))
        elif leg.call_sid == self.names.later:
            self.customers.append(leg)
        elif is_listener(leg):
            self.supervisors.append(leg)
        else:
            self.rest.append(leg)

    def _labelled_owners(self, label: str) -> frozenset[str]:
        if not label:
            return _NONE
        return frozenset(r.sid for r in self.reservations if label in marks(r))

    def _only_worker(self) -> frozenset[str]:
        """Return the reservation that was accepted, if only one ever was."""
        return frozenset(r.sid for r in self.accepted) if len(self.accepted) == 1 else _NONE

    def put_labelled(self) -> None:
        """Sort the legs with the label `customer` as their only evidence, in order of joining."""
        for leg in sorted(self.labelled, key=lambda leg: (came_at(leg) or 0, leg.call_sid)):
            is_other = self._joined_a_call(leg) or self._is_elsewhere(leg)
            into = self.rest if is_other else self.customers
            into.append(leg)
        self.customers.sort(key=_sid)
        self.rest.sort(key=_sid)

    def _joined_a_call(self, leg: Leg) -> bool:
        """Return whether the leg joined while customer and worker were both present."""
        at = came_at(leg)
        return at is not None and self._has_customer(at) and self._has_worker(at)

    def _is_elsewhere(self, leg: Leg) -> bool:
        """Return whether the leg's end is not the customer's, and another leg is the customer's by
        its end. That leg must have been answered: otherwise another number may have been called
        next."""
        at_end = [each for each in self.customers if each.call_sid in self.by_ends]
        is_there = any(was_answered(each) or left_at(each) is None for each in at_end)
        return is_there and is_at_another_end(leg, self.names.customer)

    def _has_customer(self, at: int) -> bool:
        if any(
            (leg.call_sid == self.names.original and not _has_left(leg, at)) or is_there(leg, at)
            for leg in self.customers
        ):
            return True
        # Each worker without a known leg may have one of the unidentified legs.
        owned = {sid for _, owners in self.of_workers for sid in owners}
        of_workers = sum(r.sid not in owned for r in self.accepted)
        return sum(is_there(leg, at) for leg in self.rest) > of_workers

    def _has_worker(self, at: int) -> bool:
        if any(is_there(leg, at) for leg, _ in self.of_workers):
            return True
        return any(r.milestones["accepted"] < at for r in self.accepted)


def legs_of(call: Call) -> Legs:
    """Return the legs of a call by kind."""
    if not call.legs:
        return _NO_LEGS
    names = _names_of(call)
    sorting = _Sorting(call, names)
    for leg in call.legs:
        sorting.put(leg)
    if sorting.labelled:
        sorting.put_labelled()
    return Legs(
        tuple(sorting.customers),
        tuple(sorting.of_workers),
        tuple(sorting.supervisors),
        tuple(sorting.rest),
        names,
        frozenset(sorting.by_ends),
        frozenset(sorting.own_ends),
    )


def customer_leg(call: Call, legs: Legs) -> tuple[str | None, bool]:
    """Return the customer's leg, as far as events name it, and whether it is certain: it was named
    before a worker was requested, or Twilio itself shows it in the call."""
    names = legs.names or _names_of(call)
    shown = [leg for leg in legs.customers if leg.call_sid in legs.by_ends and was_answered(leg)]
    there = [leg for leg in shown if left_at(leg) is None] or shown
    if names.original is not None and not (len(there) == 1 and _is_replaced(names.original, legs)):
        return names.original, True
    if len(there) == 1:
        return there[0].call_sid, True
    marked = [leg for leg in legs.customers if label_of(leg) == CUSTOMER_LABEL]
    marked = [leg for leg in marked if left_at(leg) is None] or marked
    later = [leg for leg in legs.customers if leg.call_sid == names.later]
    has_joined = any("joined" in leg.milestones for leg in later)
    if len(marked) == 1 and not there:
        # Twilio is asked for the ends if the label is the only evidence for the leg, or if
        # attributes named another leg late.
        is_sure = not is_only_labelled(marked[0], legs) and not has_joined
        return marked[0].call_sid, is_sure or marked == later
    others = {leg.call_sid for leg in (*(leg for leg, _ in legs.workers), *legs.supervisors)}
    stated = (names.later, *(fact.value for fact in values_of(call.facts, "customer_call_sid")))
    named = next((sid for sid in stated if sid is not None and sid not in others), None)
    is_shown = any(is_shown_late(leg, names.customer) for leg in later)
    return named, named == names.later and not there and has_joined and is_shown


def is_only_labelled(leg: Leg, legs: Legs) -> bool:
    """Return whether the label is the only evidence for the customer's leg, and its ends are not
    known or contradict it. Labels are free text, so the leg may be an agent's own, or a third
    party's."""
    names = legs.names
    if label_of(leg) != CUSTOMER_LABEL or names is None:
        return False
    if leg.call_sid in (names.original, names.later):
        return False
    return ends_of(leg) == NO_ENDS or is_at_another_end(leg, names.customer)


def is_listener(leg: Leg) -> bool:
    """Return whether the leg joined only to listen: muted, or labelled as a supervisor's."""
    return value(leg.facts, "joined_muted") == "true" or label_of(leg).startswith(SUPERVISOR_LABEL)


def _is_replaced(call_sid: str, legs: Legs) -> bool:
    """Return whether the leg left, and another leg of the customer is present."""
    known = [leg for leg in legs.customers if leg.call_sid == call_sid]
    there = [leg for leg in legs.customers if left_at(leg) is None]
    return bool(known and there) and all(left_at(leg) is not None for leg in known)


def _has_left(leg: Leg, at: int) -> bool:
    left = left_at(leg)
    return left is not None and left <= at


def _sid(leg: Leg) -> str:
    return leg.call_sid


def _names_of(call: Call) -> _Names:
    facts = call.facts
    customer = end_of(value(facts, "customer"))
    first = facts.get("customer_call_sid")
    if first is None:
        return _Names(None, None, customer)
    # No reservation is older than the first event.
    if first.at <= call.first_event_at or first.at <= min(
        map(created_at, call.reservations), default=first.at
    ):
        return _Names(first.value, None, customer)
    return _Names(None, _named_later(call), customer)


def _named_later(call: Call) -> str | None:
    """Return the customer's leg among those that were named while a worker had the task: the first
    one that joined the conference, or else the only one, unless another task names it too."""
    named = [fact.value for fact in values_of(call.facts, "customer_call_sid")]
    legs = {leg.call_sid: leg for leg in call.legs if leg.call_sid in named}
    joined = [sid for sid in named if sid in legs and "joined" in legs[sid].milestones]
    if joined:
        return joined[0]
    is_contested = len(named) > 1 or any(map(is_contested_leg, legs.values()))
    return None if is_contested else named[0]


def _is_named_worker(leg: Leg) -> bool:
    """Return whether the task named the leg as the worker's, and never as the customer's."""
    return value(leg.facts, "role") == "worker" and "role=customer" not in leg.facts
