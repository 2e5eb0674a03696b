"""Compare Twilio's lists of tasks with the known state of these tasks. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import field

from schemas.fast_dataclass import dataclass
from schemas.records import (
    AcceptedReservation,
    Contact,
    EndedConference,
    ReconciliationEvidence,
)
from schemas.states import CallState, CaptureState, Direction


@dataclass(frozen=True, slots=True)
class ListedTask:
    """What Twilio's lists of a period show about a task. `reservations` and `conferences`: by
    SID; `ended_at`: when the task was canceled or deleted (ms), if it was."""

    task_sid: str
    reservations: Mapping[str, AcceptedReservation] = field(default_factory=dict)
    conferences: Mapping[str, EndedConference] = field(default_factory=dict)
    ended_at: int | None = None


@dataclass(frozen=True, slots=True)
class KnownTask:
    """The known state of a task. `accepted`: reservations known to be accepted; `is_over`:
    whether its end is known; `is_unanswered`: whether it is an outbound call of a monitored agent
    that was not answered as far as events show; `evidence`: earlier findings."""

    accepted: frozenset[str] = frozenset()
    is_over: bool = False
    capture: str = ""
    call_sids: tuple[str, ...] = ()
    evidence: ReconciliationEvidence | None = None
    is_unanswered: bool = False


NOTHING = KnownTask()


def known_contact(contact: Contact, known: KnownTask = NOTHING) -> KnownTask:
    """Return the known state of a task with a version of its contact."""
    accepted = (s.reservation_sid for s in contact.sessions if s.started_at is not None)
    return KnownTask(
        frozenset(accepted),
        contact.state == CallState.ENDED,
        contact.capture,
        contact.call_sids,
        known.evidence,
        _is_unanswered(contact),
    )


def _is_unanswered(contact: Contact) -> bool:
    """Return whether nothing shows that the called party of a monitored agent's call answered. The
    outcome does not say: without evidence, a call that is over may count as answered."""
    if contact.direction != Direction.OUTBOUND or contact.capture != CaptureState.NOT_REQUIRED:
        return False
    return any(s.monitored and s.started_at is not None for s in contact.sessions)


@dataclass(frozen=True, slots=True)
class TaskNeeds:
    """What a comparison must do for a task.

    - `events`: add its events, because Event Streams did not deliver all of them.
    - `details`: ask for participants and recordings, because audio is missing or may be missing:
      an outbound call that seems unanswered may have been answered if there was a conference.
    """

    events: bool
    details: bool


def needs_of(listed: ListedTask, known: KnownTask) -> TaskNeeds:
    """Return the work for a task. Earlier findings count, so that no work is repeated."""
    before = known.evidence
    unknown = listed.reservations.keys() - known.accepted
    has_ended = bool(listed.conferences) or listed.ended_at is not None
    unended = has_ended and not known.is_over
    events = bool(unknown or unended) and not _was_added(listed, before)
    is_missing = known.capture in ("", CaptureState.PARTIAL, CaptureState.MISSING)
    is_missing = is_missing or (known.is_unanswered and bool(listed.conferences))
    examined = before is not None and before.is_examined
    can_ask = bool(listed.conferences or known.call_sids)
    return TaskNeeds(events, (events or is_missing) and not examined and can_ask)


def _was_added(listed: ListedTask, before: ReconciliationEvidence | None) -> bool:
    """Return whether events were added after as much was known about the task as now."""
    if before is None or not before.added_events:
        return False
    reservations = {r.reservation_sid for r in before.reservations}
    conferences = {c.conference_sid for c in before.conferences}
    if listed.ended_at is not None and listed.ended_at >= before.checked_at:
        return False
    return listed.reservations.keys() <= reservations and listed.conferences.keys() <= conferences


def listed_tasks(
    reservations: Iterable[tuple[str, AcceptedReservation]],
    conferences: Iterable[tuple[str, EndedConference]],
    ends: Iterable[tuple[str, int]] = (),
) -> dict[str, ListedTask]:
    """Return the tasks of all lists by task SID. `ends`: of tasks that no agent took."""
    accepted: dict[str, dict[str, AcceptedReservation]] = {}
    ended: dict[str, dict[str, EndedConference]] = {}
    for task_sid, reservation in reservations:
        accepted.setdefault(task_sid, {})[reservation.reservation_sid] = reservation
    for task_sid, conference in conferences:
        ended.setdefault(task_sid, {})[conference.conference_sid] = conference
    at = dict(sorted(ends, key=lambda end: -end[1]))  # the first end counts
    return {
        sid: ListedTask(sid, accepted.get(sid, {}), ended.get(sid, {}), at.get(sid))
        for sid in sorted(accepted.keys() | ended.keys() | at.keys())
    }
