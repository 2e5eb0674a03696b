"""The marks by which the customer's and a worker's leg are recognized in a conference: call SIDs
and labels in lower case, and ends of legs in normal form (`pipeline/calls/ends.py`). Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from pipeline.calls import workers
from pipeline.calls.ends import end_of
from pipeline.calls.identities import Workers
from pipeline.calls.leg_facts import is_shown_late
from pipeline.calls.legs import CUSTOMER_LABEL, WORKER_LABELS, is_only_labelled
from pipeline.calls.view import CallView
from schemas.records import Call, Leg


def worker_marks(call: Call, seen: CallView) -> tuple[str, ...]:
    """Return the call SIDs and labels that mark a leg as a worker's own. Leave out marks of the
    customer's leg, because a worker may have any name."""
    own = [leg.call_sid for leg, owners in seen.legs.workers if owners]
    names = [mark for reservation in call.reservations for mark in workers.marks(reservation)]
    marks = _lowered([*WORKER_LABELS, *names, *own])
    customers = {CUSTOMER_LABEL, (seen.customer or "").lower()}
    return tuple(mark for mark in marks if mark not in customers)


def worker_ends(call: Call, known: Workers, now: int) -> tuple[str, ...]:
    """Return the ends at which the call's workers are called: those stated in its reservations, and
    those stated in any call that are valid at `now` (ms)."""
    ends = {end for reservation in call.reservations for end in workers.own_ends(reservation)}
    for reservation in call.reservations:
        ends |= known.ends_at(workers.value(reservation.facts, "worker_sid"), now)
    return tuple(sorted(ends))


def customer_marks(seen: CallView, earlier_legs: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the call SIDs and labels that mark a leg as the customer's. `earlier_legs`: call SIDs
    that were streamed as the customer's before. Leave out legs that attributes named late, and legs
    with a label as their only evidence."""
    sure = seen.customer_call_sid if seen.customer_leg_is_sure else None
    legs = [
        leg.call_sid
        for leg in seen.legs.customers
        if ("label" in leg.facts or ("joined" in leg.milestones and _is_shown(seen, leg)))
        and not is_only_labelled(leg, seen.legs)
    ]
    return _lowered([CUSTOMER_LABEL, sure, *legs, *earlier_legs])


def _is_shown(seen: CallView, leg: Leg) -> bool:
    """Return whether there is other evidence for the leg than attributes that named it late.
    Without any, it may be the worker's own."""
    names = seen.legs.names
    is_named_late = names is not None and leg.call_sid == names.later
    return not is_named_late or is_shown_late(leg, end_of(seen.customer))


def customer_ends(seen: CallView) -> tuple[str, ...]:
    """Return the customer's end, or nothing if it is hidden or not known."""
    end = end_of(seen.customer)
    return () if end is None else (end,)


def _lowered(marks: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({mark.strip().lower() for mark in marks if mark} - {""}))


@dataclass(frozen=True, slots=True)
class Participant:
    """A leg in a conference, as the Conference API lists it. `joined_at`: Unix time in seconds, 0
    if it is not known."""

    call_sid: str
    label: str = ""
    status: str = ""
    coaching: bool = False
    joined_at: float = 0.0
    muted: bool = False


@dataclass(frozen=True, slots=True)
class FetchedCall:
    """The ends of a leg as Twilio writes them (`from`, `to`) and its direction (`inbound`,
    `outbound-api`, `outbound-dial`)."""

    calling: str | None = None
    called: str | None = None
    direction: str | None = None


class NoLeg(Enum):
    """Why there is no leg to stream. Each reason may change, so the look-up is repeated."""

    NO_CONFERENCE = "Twilio lists no conference for the task"
    NOBODY = "no customer leg in the conference"
    RINGING = "the customer's leg is not connected yet"
    AMBIGUOUS = "more than one leg may be the customer's"
    UNSURE = "the only leg may be a worker's"
