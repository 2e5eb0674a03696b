"""Contacts."""

from collections.abc import Mapping
from dataclasses import field

from ..fast_dataclass import dataclass
from .reconciliation import Reconciliation, ReconciliationEvidence
from .recordings import RecordingCompleted, RecordingStarted
from .streams import MediaStreamChanged, RecordingDecided


@dataclass(frozen=True, slots=True)
class Session:
    """A worker's part in a contact."""

    reservation_sid: str
    extension: str | None
    monitored: bool
    started_at: int | None
    ended_at: int | None


@dataclass(frozen=True, slots=True)
class ContactRecording:
    """A recording of a contact: the audio of one media stream."""

    inum: str
    call_sid: str
    stream_sid: str
    extension: str | None
    extensions: tuple[str, ...]
    state: str
    started_at: int
    duration_ms: int | None
    received: int
    lost: int
    duplicate: int
    invalid: int
    audio: str | None
    manifest: str | None
    recording_id: str = ""
    supplement_of: str = ""
    source: str = "stream"
    lost_for: Mapping[str, int] = field(default_factory=dict, hash=False)
    lost_at_end: int = 0
    withheld: int = 0
    withheld_ms: int = 0
    silent_ms: int = 0
    withheld_because: str = ""


@dataclass(frozen=True, slots=True)
class ContactContradiction:
    """A value in attributes that contradicts an earlier one; the earlier one stays in force."""

    reservation_sid: str | None
    name: str
    value: str
    held: str
    at: int


@dataclass(frozen=True, slots=True)
class ContactDecision:
    """A decision on whether the contact is recorded."""

    at: int
    decision: str
    reason: str
    policy_version: int


@dataclass(frozen=True, slots=True)
class ContactConnection:
    """A worker's connection to a call in progress."""

    extension: str | None
    state: str


@dataclass(frozen=True, slots=True)
class ContactStream:
    """A media stream of a contact."""

    generation: int
    stream_sid: str | None
    call_sid: str | None
    name: str | None
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class ContactGap:
    """A time in which the call had to be recorded, but for which there is no audio."""

    started_at: int
    ended_at: int
    after: str
    before: str
    reason: str = "unknown"
    covered_by: str = ""


@dataclass(frozen=True, slots=True)
class RequiredSpan:
    """A time in which the call must be recorded."""

    started_at: int
    ended_at: int


@dataclass(frozen=True, slots=True)
class Contact:
    """A version of the consolidated contact, as shown by the console."""

    contact_id: str
    task_sid: str
    direction: str
    customer: str | None
    queue: str | None
    started_at: int
    ended_at: int | None
    state: str
    outcome: str | None
    sessions: tuple[Session, ...]
    recordings: tuple[ContactRecording, ...]
    decisions: tuple[ContactDecision, ...]
    connections: tuple[ContactConnection, ...]
    streams: tuple[ContactStream, ...]
    call_sids: tuple[str, ...]
    in_progress: bool
    revision: int
    updated_at: int
    gaps: tuple[ContactGap, ...] = ()
    capture: str = "pending"
    required_ms: int = 0
    captured_ms: int = 0
    contradictions: tuple[ContactContradiction, ...] = ()
    required: tuple[RequiredSpan, ...] = ()
    customer_call_sids: tuple[str, ...] = ()
    reconciliation: Reconciliation | None = None


@dataclass(frozen=True, slots=True)
class GapCause:
    """A possible reason for missing audio."""

    at: int
    reason: str


@dataclass(frozen=True, slots=True)
class ContactState:
    """The consolidator's state of a call, from which the contact is made. Only in the
    consolidator's table."""

    task_sid: str
    latest_at: int
    changes: int
    policy_version: int
    call: bytes | None
    decisions: tuple[RecordingDecided, ...]
    media_streams: tuple[MediaStreamChanged, ...]
    opened: tuple[str, ...]
    connected: bool
    unconnected: bool
    started: tuple[RecordingStarted, ...]
    completed: tuple[RecordingCompleted, ...]
    causes: tuple[GapCause, ...] = ()
    first_opened_at: int | None = None
    capture: str = ""
    foreign_legs: tuple[str, ...] = ()
    evidence: ReconciliationEvidence | None = None
    reconciled: str = ""
