"""The comparison with Twilio's records: findings, results, and progress."""

from ..fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class AcceptedReservation:
    """A reservation that an agent accepted, as TaskRouter lists it."""

    reservation_sid: str
    worker_sid: str | None
    worker_name: str | None
    accepted_at: int


@dataclass(frozen=True, slots=True)
class EndedConference:
    """A conference that is over, as Twilio lists it."""

    conference_sid: str
    started_at: int | None
    ended_at: int | None
    call_sids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TwilioRecording:
    """A recording that Twilio made itself."""

    recording_sid: str
    call_sid: str | None
    conference_sid: str | None
    status: str
    started_at: int | None
    duration_ms: int | None
    channels: int


@dataclass(frozen=True, slots=True)
class ReconciliationEvidence:
    """What Twilio's records show about a task. The evidence of a task is the union of its
    records."""

    task_sid: str
    reservations: tuple[AcceptedReservation, ...]
    conferences: tuple[EndedConference, ...]
    recordings: tuple[TwilioRecording, ...]
    added_events: tuple[str, ...]
    is_examined: bool
    checked_at: int


@dataclass(frozen=True, slots=True)
class ReconciledPart:
    """The result for a reservation or a conference."""

    sid: str
    result: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The result of the comparison for a task."""

    task_sid: str
    result: str
    reason: str
    policy_version: int
    reservations: tuple[ReconciledPart, ...]
    conferences: tuple[ReconciledPart, ...]
    recording_sids: tuple[str, ...]
    added_events: int
    checked_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class ReconciliationWindow:
    """A period was compared: reconcilers need not compare it again."""

    window: str
    begins_at: int
    ends_at: int
    done_at: int
    tasks: int
    added_events: int
    instance: str
