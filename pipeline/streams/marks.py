"""What tells the customer's leg from a worker's in a conference: strings that may stand as a
participant's label or call SID, in lower case."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import Enum

from pipeline.calls import workers
from pipeline.calls.view import CallView
from schemas.records import Call


def worker_marks(call: Call, seen: CallView) -> tuple[str, ...]:
    """All that may mark a leg of the call as a worker's, or as a supervisor's. What marks the
    customer's does not: a worker may be called anything."""
    of_workers = [leg.call_sid for leg, _ in seen.legs.workers]
    of_supervisors = [leg.call_sid for leg in seen.legs.supervisors]
    names = [mark for reservation in call.reservations for mark in workers.marks(reservation)]
    marks = _lowered(["worker", "agent", *names, *of_workers, *of_supervisors])
    customers = {"customer", (seen.customer or "").lower()}
    return tuple(mark for mark in marks if mark not in customers)


def customer_marks(seen: CallView, earlier_legs: Iterable[str] = ()) -> tuple[str, ...]:
    """All that may mark a leg of the call as the customer's; `earlier_legs`: call SIDs that were
    streamed as his before. A leg that attributes named late is not among them."""
    sure = seen.customer_call_sid if seen.customer_leg_is_sure else None
    legs = [
        leg.call_sid
        for leg in seen.legs.customers
        if "label" in leg.facts or "joined" in leg.milestones
    ]
    return _lowered(["customer", sure, seen.customer, *legs, *earlier_legs])


def _lowered(marks: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({mark.strip().lower() for mark in marks if mark} - {""}))


@dataclass(frozen=True, slots=True)
class Participant:
    """A leg in a conference, as the Conference API lists it. `joined_at`: Unix time in seconds, 0
    where it is not told."""

    call_sid: str
    label: str = ""
    status: str = ""
    coaching: bool = False
    joined_at: float = 0.0


class NoLeg(Enum):
    """Why there is no leg to stream; each may change, so it is asked again."""

    NO_CONFERENCE = "Twilio lists no conference for the task"
    NOBODY = "no customer leg in the conference"
    RINGING = "the customer's leg is not connected yet"
    AMBIGUOUS = "more than one leg may be the customer's"
    UNSURE = "the only leg may be a worker's"


def customer_leg(
    participants: Sequence[Participant],
    of_workers: AbstractSet[str],
    of_customers: AbstractSet[str],
) -> Participant | NoLeg:
    """The customer's leg: the one that is marked as his, else the only one that is not a worker's.

    `of_workers` and `of_customers` are marks as above. A leg without marks is taken for the
    customer's only beside a leg that is certainly a worker's: an agent's own leg must not be
    streamed.
    """
    others = [p for p in participants if not p.coaching and not _is_workers(p, of_workers)]
    marked = [p for p in others if _marked(p, of_customers)]
    candidates = marked or others
    connected = [p for p in candidates if p.status.lower() in ("", "connected")]
    if not candidates:
        return NoLeg.NOBODY
    if not connected:
        return NoLeg.RINGING
    if len(connected) > 1:
        return NoLeg.AMBIGUOUS
    if not marked and not any(_marked(p, of_workers) for p in participants):
        return NoLeg.UNSURE
    return connected[0]


def newest(participants: Sequence[Participant], of_workers: AbstractSet[str]) -> Participant:
    """Of several legs that may be the customer's, the one that joined last (agents join first); of
    those that do not say when, the one listed last. There must be one."""
    others = [p for p in participants if not p.coaching and not _is_workers(p, of_workers)]
    connected = [p for p in others if p.status.lower() in ("", "connected")]
    return max(enumerate(connected), key=lambda item: (item[1].joined_at, item[0]))[1]


def has_worker_end(ends: Iterable[str]) -> bool:
    """Whether a leg's ends (lower case) show an agent: a Flex client or a SIP phone."""
    return any(end.startswith(("client:", "sip:")) for end in ends)


def _is_workers(participant: Participant, of_workers: AbstractSet[str]) -> bool:
    # Which SID is a worker's may be known from attributes only: the conference's label outranks it.
    return participant.label.strip().lower() != "customer" and _marked(participant, of_workers)


def _marked(participant: Participant, marks: AbstractSet[str]) -> bool:
    return participant.call_sid.lower() in marks or participant.label.strip().lower() in marks
