"""Media streams as the stream manager and the Twilio adapter see them."""

from ..fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class StartDuplicateStream:
    """Start a media stream on the customer's leg. The command is idempotent, because the stream's
    name is derived from task, leg and generation."""

    command_id: str
    task_sid: str
    call_sid: str | None
    generation: int
    issued_at: int
    expires_at: int
    reason: str
    policy_version: int
    direction: str | None
    worker_marks: tuple[str, ...]
    customer_marks: tuple[str, ...]
    worker_ends: tuple[str, ...] = ()
    customer_ends: tuple[str, ...] = ()
    cause_event_id: str | None = None
    reservation_sid: str | None = None
    reason_code: str | None = None
    decided_at: int | None = None


@dataclass(frozen=True, slots=True)
class StopDuplicateStream:
    """Stop a media stream. A media stream that has already ended counts as stopped."""

    command_id: str
    task_sid: str
    call_sid: str | None
    generation: int
    stream_sid: str | None
    name: str | None
    issued_at: int
    expires_at: int
    reason: str
    cause_event_id: str | None = None
    reservation_sid: str | None = None
    reason_code: str | None = None
    decided_at: int | None = None


@dataclass(frozen=True, slots=True)
class FindConference:
    """Ask Twilio whether it lists a conference for a task without a known leg: one HTTP
    request."""

    command_id: str
    task_sid: str
    generation: int
    issued_at: int
    expires_at: int
    cause_event_id: str | None = None
    reservation_sid: str | None = None
    reason_code: str | None = None
    decided_at: int | None = None


@dataclass(frozen=True, slots=True)
class VerifyLeg:
    """Ask Twilio whether a leg with a media stream belongs to the call."""

    command_id: str
    task_sid: str
    call_sid: str
    generation: int
    issued_at: int
    expires_at: int
    worker_marks: tuple[str, ...]
    customer_marks: tuple[str, ...]
    other_task_sids: tuple[str, ...]
    worker_ends: tuple[str, ...] = ()
    customer_ends: tuple[str, ...] = ()
    was_confirmed: bool = False
    cause_event_id: str | None = None
    reservation_sid: str | None = None
    reason_code: str | None = None
    decided_at: int | None = None


@dataclass(frozen=True, slots=True)
class FetchLeg:
    """Ask Twilio for the ends of a leg that nothing identifies."""

    command_id: str
    task_sid: str
    call_sid: str
    generation: int
    issued_at: int
    expires_at: int
    known_ends: tuple[str, ...] = ()
    cause_event_id: str | None = None
    reservation_sid: str | None = None
    reason_code: str | None = None
    decided_at: int | None = None


StreamCommand = StartDuplicateStream | StopDuplicateStream | FindConference | VerifyLeg | FetchLeg
"""A record of `stream.commands`."""


@dataclass(frozen=True, slots=True)
class LegFetched:
    """The ends and the label of a leg, as Twilio answered; `worker_sid`: the worker with that
    end."""

    call_sid: str
    task_sid: str
    call_from: str | None
    call_to: str | None
    call_direction: str | None
    label: str | None
    worker_sid: str | None
    at: int


@dataclass(frozen=True, slots=True)
class CommandAnswered:
    """The result of a command."""

    command_id: str
    task_sid: str
    generation: int
    command: str
    outcome: str
    call_sid: str | None
    stream_sid: str | None
    name: str | None
    code: int | None
    detail: str
    attempts: int
    at: int
    call_from: str | None = None
    call_to: str | None = None
    call_direction: str | None = None
    call_label: str | None = None
    listed_call_sids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordingDecided:
    """A new decision on whether a call is recorded."""

    task_sid: str
    at: int
    decision: str
    reason: str
    policy_version: int
    cause_event_id: str | None = None
    reservation_sid: str | None = None
    reason_code: str | None = None


@dataclass(frozen=True, slots=True)
class MediaStreamChanged:
    """A new state of a media stream in the view of the stream manager."""

    task_sid: str
    generation: int
    name: str | None
    call_sid: str | None
    stream_sid: str | None
    state: str
    reason: str
    at: int
    cause_event_id: str | None = None
    reservation_sid: str | None = None
    reason_code: str | None = None
    decided_at: int | None = None


@dataclass(frozen=True, slots=True)
class ManagedStream:
    """The stream manager's state of a media stream."""

    generation: int
    state: str
    reason: str
    call_sid: str | None
    stream_sid: str | None
    name: str | None
    gateway: str | None
    epoch: int
    attempt: int
    stop_attempt: int
    issued_at: int
    due_at: int | None
    phase: str
    opened_at: int | None
    closed: bool
    reason_code: str = ""


@dataclass(frozen=True, slots=True)
class LegCheck:
    """The check whether a leg with a media stream belongs to the call."""

    call_sid: str
    result: str
    attempt: int
    since: int
    due_at: int | None
    other_task_sids: tuple[str, ...]
    listed_task_sids: tuple[str, ...] = ()
    signs: int = 0
    first_attempt: int = 0
    asked_at_once: tuple[int, ...] = ()
    listed_at: int = 0


@dataclass(frozen=True, slots=True)
class ConferenceSearch:
    """How Twilio is asked whether it lists a conference for a task without a known leg."""

    attempt: int
    requests: int
    step: int
    since: int
    due_at: int
    signs: int
    restarts: int
    listed: bool
    asked_at: int | None = None
    gone_leg: str | None = None


@dataclass(frozen=True, slots=True)
class LegFetch:
    """A request to Twilio for the ends of a leg. `due_at` None: Twilio has answered."""

    call_sid: str
    attempt: int
    due_at: int | None


@dataclass(frozen=True, slots=True)
class CallStreams:
    """The stream manager's state of a call: its latest version, the decision, and its media
    streams. Only in the stream manager's table."""

    task_sid: str
    call: bytes | None
    revision: int
    decision: str | None
    reason_kind: str
    reason: str
    policy_version: int
    desired: bool
    failures: int
    not_before: int
    seen_at: int
    alone_since: int | None
    ended_at: int | None
    media_streams: tuple[ManagedStream, ...]
    legs: tuple[LegCheck, ...] = ()
    decided_at: int | None = None
    fetches: tuple[LegFetch, ...] = ()
    search: ConferenceSearch | None = None
    cause_event_id: str | None = None
    reservation_sid: str | None = None
    reason_code: str = ""
