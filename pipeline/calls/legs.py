"""Whose leg is whose: the customer's, a worker's, a supervisor's, or nobody knows.

Twilio does not say it in one way: the task's attributes name the two legs of the moment, a
participant may carry a label, a client's leg has a `client:` address. What is not sure is unknown.
"""

from pipeline.calls.workers import marks, value
from schemas.frozen import dataclass
from schemas.records import Call, Leg, Reservation

_CUSTOMER_LABELS = frozenset({"customer", "external", "caller"})
_WORKER_LABELS = frozenset({"worker", "agent"})
_SECOND = 1_000
_NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Legs:
    """A call's legs told apart. `workers`: each with the SIDs of the reservations that it may
    belong to, none where it is only known to be some worker's."""

    customers: tuple[Leg, ...]
    workers: tuple[tuple[Leg, frozenset[str]], ...]
    supervisors: tuple[Leg, ...]
    unknown: tuple[Leg, ...]


_NO_LEGS = Legs((), (), (), ())


@dataclass(frozen=True, slots=True)
class _Names:
    """What the task says of its legs; `customer`: his number, lower case."""

    customer_call_sid: str | None
    customer: str
    worker_call_sid: str | None


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
        owners = _owners(label, to, words)
        if value(facts, "coaching") == "true":
            supervisors.append(leg)
        elif _is_customers(leg, label, names):
            customers.append(leg)
        elif owners or _is_some_workers(leg, label, to, names):
            workers.append((leg, owners))
        else:
            unknown.append(leg)
    return Legs(tuple(customers), tuple(workers), tuple(supervisors), tuple(unknown))


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
    return _Names(
        value(facts, "customer_call_sid"),
        (value(facts, "customer") or "").lower(),
        value(facts, "worker_call_sid"),
    )


def _is_customers(leg: Leg, label: str, names: _Names) -> bool:
    if leg.call_sid == names.customer_call_sid:
        return True
    if (role := value(leg.facts, "role")) is not None:
        return role == "customer"
    return label in _CUSTOMER_LABELS or (bool(label) and label == names.customer)


def _is_some_workers(leg: Leg, label: str, to: str, names: _Names) -> bool:
    return (
        value(leg.facts, "role") == "worker"
        or leg.call_sid == names.worker_call_sid
        or label in _WORKER_LABELS
        or to.startswith("client:")
    )
