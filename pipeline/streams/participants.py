"""Find the customer's leg among the participants that the Conference API lists. Pure.

The evidence is that of `pipeline/calls/legs.py`, with the ends that Twilio gives for each leg. A
leg is the customer's by its SID, its ends or its label, in this order, or else because it is the
only candidate beside a worker's own leg. If two legs may be the customer's, or if the only
candidate may be an agent's, there is no leg to stream yet.
"""

from collections.abc import Mapping, Sequence
from enum import Enum, auto

from pipeline.calls.ends import NO_ENDS, Alike, LegEnds, alike
from pipeline.calls.legs import CUSTOMER_LABEL, SUPERVISOR_LABEL, WORKER_LABELS
from pipeline.streams.marks import NoLeg, Participant
from schemas.fast_dataclass import dataclass
from schemas.records import StartDuplicateStream, VerifyLeg

MAX_FETCHED = 20
"""The greatest number of legs of a conference for which ends are fetched."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Marks of legs. `workers`, `customers`: call SIDs and labels, lower case;
    `worker_ends`, `customer_ends`: in normal form."""

    workers: frozenset[str] = frozenset()
    customers: frozenset[str] = frozenset()
    worker_ends: frozenset[str] = frozenset()
    customer_ends: frozenset[str] = frozenset()


def marks_in(command: StartDuplicateStream | VerifyLeg) -> Marks:
    """Return the marks of the call's legs that are in the command."""
    return Marks(
        frozenset(command.worker_marks),
        frozenset(command.customer_marks),
        frozenset(command.worker_ends),
        frozenset(command.customer_ends),
    )


class _Role(Enum):
    CUSTOMER_BY_SID = auto()
    CUSTOMER_BY_ENDS = auto()
    CUSTOMER_BY_LABEL = auto()
    WORKER = auto()
    AGENT_PHONE = auto()  # a Flex client or SIP phone: some worker's, or a supervisor's
    LISTENER = auto()
    OTHER = auto()  # its ends are not the customer's
    UNKNOWN = auto()


def without_ends(participants: Sequence[Participant], marks: Marks) -> tuple[str, ...]:
    """Return the legs for which the ends are needed to choose the customer's leg; none if SIDs
    decide, or labels that show both a worker's leg and the customer's."""
    present = [p for p in participants if not p.coaching]
    roles = [_role(p, marks, NO_ENDS) for p in present]
    if roles.count(_Role.CUSTOMER_BY_SID) == 1:
        return ()
    is_labelled = roles.count(_Role.CUSTOMER_BY_LABEL) == 1 and _Role.WORKER in roles
    if is_labelled and (len(present) == 2 or _Role.UNKNOWN not in roles):
        return ()
    named = marks.workers
    if len(present) > 1:
        named -= WORKER_LABELS  # these labels name no worker: a customer's leg may have one
    asked = [p.call_sid for p in present if _label(p) not in named]
    return tuple(asked[:MAX_FETCHED])


def customer_leg(
    participants: Sequence[Participant], marks: Marks, ends: Mapping[str, LegEnds]
) -> Participant | NoLeg:
    """Return the customer's leg, or why there is none to stream. `ends`: the known ends of each
    leg, by call SID."""
    roles = [
        (p, _role(p, marks, ends.get(p.call_sid, NO_ENDS))) for p in participants if not p.coaching
    ]
    sought = marks.customer_ends
    for role in (_Role.CUSTOMER_BY_SID, _Role.CUSTOMER_BY_ENDS, _Role.CUSTOMER_BY_LABEL):
        found = [p for p, each in roles if each is role]
        if found:
            alike_too = [p for p in found if ends.get(p.call_sid, NO_ENDS).is_one_of(sought)]
            return _checked(_connected(alike_too or found), role, roles)
    rest = [p for p, role in roles if role is _Role.UNKNOWN]
    leg = _connected(rest)
    if isinstance(leg, Participant) and not _has_own_leg(roles, marks):
        return NoLeg.UNSURE
    return leg


def _has_own_leg(roles: Sequence[tuple[Participant, _Role]], marks: Marks) -> bool:
    """Return whether a worker's own leg is among them. If no end of a worker is known, an agent's
    phone counts as one."""
    found = {role for _, role in roles}
    return _Role.WORKER in found or (not marks.worker_ends and _Role.AGENT_PHONE in found)


def _checked(
    leg: Participant | NoLeg, role: _Role, roles: Sequence[tuple[Participant, _Role]]
) -> Participant | NoLeg:
    """Return the leg, unless its label is the only evidence and it joined a call that was already
    complete."""
    if isinstance(leg, NoLeg) or role is not _Role.CUSTOMER_BY_LABEL:
        return leg
    earlier = {each for p, each in roles if 0 < p.joined_at < leg.joined_at}
    return NoLeg.AMBIGUOUS if {_Role.WORKER, _Role.UNKNOWN} <= earlier else leg


def _connected(candidates: Sequence[Participant]) -> Participant | NoLeg:
    """Return the only connected leg, or if several are connected, the only labelled one."""
    connected = [p for p in candidates if p.status.lower() in ("", "connected")]
    if not candidates:
        return NoLeg.NOBODY
    if not connected:
        return NoLeg.RINGING
    labelled = [p for p in connected if _label(p) == CUSTOMER_LABEL]
    chosen = labelled if len(labelled) == 1 else connected
    return chosen[0] if len(chosen) == 1 else NoLeg.AMBIGUOUS


def _role(participant: Participant, marks: Marks, ends: LegEnds) -> _Role:
    sid, label = participant.call_sid.lower(), _label(participant)
    if sid in marks.customers:
        return _Role.CUSTOMER_BY_SID
    is_customers, is_workers = (
        ends.is_one_of(marks.customer_ends),
        ends.is_one_of(marks.worker_ends),
    )
    if is_customers and not is_workers:
        return _Role.CUSTOMER_BY_ENDS
    if is_workers and not is_customers:
        return _Role.WORKER
    if label == CUSTOMER_LABEL:
        return _Role.CUSTOMER_BY_LABEL
    if sid in marks.workers or label in marks.workers:
        return _Role.WORKER
    # The worker is called at the same end as the customer, so only the other legs can decide.
    return _Role.UNKNOWN if is_customers else _role_by_elimination(participant, marks, ends)


def _role_by_elimination(participant: Participant, marks: Marks, ends: LegEnds) -> _Role:
    persons = ends.persons
    if any(end.startswith("client:") for end in persons):
        return _Role.AGENT_PHONE
    if persons and marks.customer_ends:
        compared = {alike(end, sought) for end in persons for sought in marks.customer_ends}
        if compared == {Alike.OTHER}:
            return _Role.OTHER
    elif any(end.startswith("sip:") for end in persons):
        return _Role.AGENT_PHONE
    if participant.muted or _label(participant).startswith(SUPERVISOR_LABEL):
        return _Role.LISTENER
    return _Role.UNKNOWN


def _label(participant: Participant) -> str:
    return participant.label.strip().lower()
