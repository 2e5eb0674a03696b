"""Whose leg is whose: the customer's, a worker's, a supervisor's, or nobody knows.

Twilio does not say it in one way: the task's attributes name the two legs of the moment, a
participant may carry a label, a client's leg has a `client:` address. What is not sure is unknown.

Attributes can be rewritten while the task runs. So the leg that they named before a worker was
asked for is the customer's; of one that they named later, the conference's own word (a label, an
address) outranks theirs, and it counts only if it came into the conference, or if nothing
contradicts it.
"""

from pipeline.calls.claims import values_of
from pipeline.calls.workers import marks, value
from schemas.fast_dataclass import dataclass
from schemas.records import Call, Leg, Reservation

_CUSTOMER_LABELS = frozenset({"customer", "external", "caller"})
_WORKER_LABELS = frozenset({"worker", "agent"})
_SECOND = 1_000
_NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Legs:
    """A call's legs told apart. `workers`: each with the SIDs of the reservations that it may
    belong to, none where it is only known to be some worker's. `names`: what the task says of
    them."""

    customers: tuple[Leg, ...]
    workers: tuple[tuple[Leg, frozenset[str]], ...]
    supervisors: tuple[Leg, ...]
    unknown: tuple[Leg, ...]
    names: "_Names | None" = None


_NO_LEGS = Legs((), (), (), ())


@dataclass(frozen=True, slots=True)
class _Names:
    """What the task says of its legs. `original`: the customer's leg as it was named before a
    worker was asked for; `later`: as it was named afterwards, if that is to be believed;
    `customer`: the customer's number, lower case."""

    original: str | None
    later: str | None
    customer: str


def legs_of(call: Call) -> Legs:
    """The legs of a call, told apart."""
    if not call.legs:
        return _NO_LEGS
    customers, workers, supervisors, unknown = [], [], [], []
    names = _names_of(call)
    words = [(r.sid, marks(r)) for r in call.reservations]
    for leg in call.legs:
        facts = leg.facts
        label = (value(facts, "label") or "").lower()
        to = (value(facts, "to") or "").lower()
        # A worker may be called anything, also as the customer's number.
        owners = _NOBODY if to and to == names.customer else _owners(label, to, words)
        if value(facts, "coaching") == "true":
            supervisors.append(leg)
        elif _is_customers(leg, label, names):
            customers.append(leg)
        elif owners or _is_some_workers(leg, label, to):
            workers.append((leg, owners))
        elif leg.call_sid == names.later:
            customers.append(leg)
        else:
            unknown.append(leg)
    return Legs(tuple(customers), tuple(workers), tuple(supervisors), tuple(unknown), names)


def customer_leg(call: Call, legs: Legs) -> tuple[str | None, bool]:
    """Return the customer's leg, as far as events name it, and whether that is sure: it was named
    before a worker was asked for, or it came into the task's conference."""
    names = legs.names or _names_of(call)
    if names.original is not None:
        return names.original, True
    marked = [leg for leg in legs.customers if value(leg.facts, "label")]
    if len(marked) == 1:
        return marked[0].call_sid, True
    if names.later is None:
        return value(call.facts, "customer_call_sid"), False
    later = [leg for leg in legs.customers if leg.call_sid == names.later]
    return names.later, any("joined" in leg.milestones for leg in later)


def contested_legs(call: Call) -> dict[str, tuple[str, ...]]:
    """Return the legs of the call that other tasks name too, with those tasks."""
    return {
        leg.call_sid: tuple(fact.value for fact in values_of(leg.facts, "other_task"))
        for leg in call.legs
        if "other_task" in leg.facts
    }


def is_left(leg: Leg) -> bool:
    """Whether the leg is gone for good, as far as is known."""
    return left_at(leg) is not None


def came_at(leg: Leg) -> int | None:
    """When somebody came on the leg; of one known by its leaving alone, when it left."""
    times = [at for name in ("joined", "answered") if (at := leg.milestones.get(name)) is not None]
    return min(times) if times else left_at(leg)


def joined_at(leg: Leg) -> int | None:
    """When the leg, which is in the conference, came into it for the last time."""
    presence = leg.facts.get("presence")
    return presence.at if presence is not None and presence.value == "joined" else None


def left_at(leg: Leg) -> int | None:
    """When the leg went for the last time; None while it is there."""
    presence, completed = leg.facts.get("presence"), leg.milestones.get("completed")
    times = [] if completed is None else [completed]
    if presence is not None and presence.value == "left":
        times.append(presence.at)
    return min(times, default=None)


def is_held(leg: Leg) -> bool:
    """Whether the leg is on hold."""
    return value(leg.facts, "hold") == "true" and not is_left(leg)


def was_answered(leg: Leg) -> bool:
    """Whether somebody was on the leg: it joined the conference, or the call was answered."""
    return "joined" in leg.milestones or "answered" in leg.milestones


def created_at(reservation: Reservation) -> int:
    """When the worker was first known to be asked for."""
    milestones = reservation.milestones
    return milestones.get("created", min(milestones.values(), default=0))


def leavings(reservations: tuple[Reservation, ...], legs: Legs) -> dict[str, int]:
    """When each worker who accepted had left with his leg; of several (he lost one and came back)
    with the last. Who is on, or whose leg is not known, is not among them."""
    accepted = sorted((r for r in reservations if "accepted" in r.milestones), key=created_at)
    lone = len(accepted) == len(legs.workers) == 1
    last: dict[str, int | None] = {}
    for leg, owners in legs.workers:
        owner = accepted[0] if lone and not owners else _owner(leg, owners, accepted)
        left = left_at(leg)
        # A leg that left before he accepted was that of an earlier part of his.
        if owner is None or (left and left + _SECOND <= owner.milestones["accepted"]):
            continue
        known = last.get(owner.sid, left)
        last[owner.sid] = None if left is None or known is None else max(left, known)
    return {sid: left for sid, left in last.items() if left is not None}


def _owner(leg: Leg, owners: frozenset[str], accepted: list[Reservation]) -> Reservation | None:
    """The part that the leg belongs to: of several of one worker's the last that was there when it
    came (callbacks tell whole seconds). None: it never came, or to none of them."""
    came = came_at(leg)
    if came is None:
        return None
    own = [r for r in accepted if r.sid in owners and created_at(r) < came + _SECOND]
    return own[-1] if own else None


def _owners(label: str, to: str, words: list[tuple[str, frozenset[str]]]) -> frozenset[str]:
    if not label and not to:
        return _NOBODY
    return frozenset(sid for sid, known in words if label in known or to in known)


def _names_of(call: Call) -> _Names:
    facts = call.facts
    customer = (value(facts, "customer") or "").lower()
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
    """The customer's leg among those that were named while a worker had the task: the first that
    came into the conference, or the only one, if no other task names it too."""
    named = [fact.value for fact in values_of(call.facts, "customer_call_sid")]
    legs = {leg.call_sid: leg for leg in call.legs if leg.call_sid in named}
    joined = [sid for sid in named if sid in legs and "joined" in legs[sid].milestones]
    if joined:
        return joined[0]
    is_contested = len(named) > 1 or any("other_task" in leg.facts for leg in legs.values())
    return None if is_contested else named[0]


def _is_customers(leg: Leg, label: str, names: _Names) -> bool:
    if leg.call_sid == names.original or label == "customer":
        return True
    if not label or value(leg.facts, "role") == "worker":
        return False
    return label in _CUSTOMER_LABELS or label == names.customer


def _is_some_workers(leg: Leg, label: str, to: str) -> bool:
    role = value(leg.facts, "role")
    return (
        (role == "worker" and "role=customer" not in leg.facts)
        or label in _WORKER_LABELS
        or to.startswith("client:")
    )
