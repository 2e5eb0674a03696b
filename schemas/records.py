"""The records that processes exchange and store: a frozen dataclass for each Avro file in `avro/`.

The Avro files describe the fields; `tests/schemas` checks that files and classes agree. Times are
integers, milliseconds since the Unix epoch (UTC).
"""

from collections.abc import Mapping
from dataclasses import field

from schemas.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class CtiEvent:
    """A CTI event as read from Kinesis, with the fields that are needed to key and order it."""

    event_id: str
    source: str
    type: str
    time: int | None
    arrived_at: int
    task_sid: str | None
    call_sid: str | None
    body: str
    kinesis_stream: str
    shard_id: str
    sequence_number: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be processed, unchanged, with the reason."""

    reason: str
    detail: str
    role: str
    origin: str
    part: str
    position: str
    at: int
    key: bytes | None
    original: bytes
    task_sid: str | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """The passing of time as a record. Cores use its Kafka timestamp as their clock; `at` is the
    tracker's estimate of log time when it wrote the record."""

    at: int


@dataclass(frozen=True, slots=True)
class ClockProbe:
    """A record to measure the log's clock with: the broker sets its append time, and `at` is the
    clock of the process's machine."""

    instance: str
    at: int


@dataclass(frozen=True, slots=True)
class RecordingPolicy:
    """A version of the recording policy: the monitored list and the direction switches. Every
    version is kept, so that a replay uses the version that was in force at the time."""

    version: int
    published_at: int
    effective_at: int
    entries: tuple[str, ...]
    record_inbound: bool
    record_outbound: bool
    hash: str = ""
    part: int = 0
    parts: int = 1
    base: int = 0


@dataclass(frozen=True, slots=True)
class PolicyHeldBack:
    """A monitored list that a stream manager holds back because it lost too many entries."""

    hash: str
    base: int
    instance: str
    at: int
    effective_at: int
    in_force: int
    lost_entries: int
    lost: tuple[str, ...]
    added_entries: int
    added: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyAccepted:
    """A person has accepted a monitored list that was held back."""

    hash: str
    base: int
    at: int


@dataclass(frozen=True, slots=True)
class Fact:
    """A value that events may change. Of two values, the one with the greater (version, at,
    event_id) wins."""

    value: str
    version: int
    at: int
    event_id: str


@dataclass(frozen=True, slots=True)
class Reservation:
    """A worker's reservation for the task."""

    sid: str
    facts: Mapping[str, Fact]
    milestones: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer of the task."""

    sid: str
    facts: Mapping[str, Fact]
    milestones: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Leg:
    """A call leg in the task's conference."""

    call_sid: str
    facts: Mapping[str, Fact]
    milestones: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ReportedStream:
    """A media stream as reported by Twilio's stream status callbacks."""

    stream_sid: str
    facts: Mapping[str, Fact]
    milestones: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Connection:
    """A worker's connection to the call, derived from the facts."""

    reservation_sid: str
    extension: str | None
    state: str
    started_at: int | None
    ended_at: int | None


@dataclass(frozen=True, slots=True)
class Call:
    """A version of a call: the summary of all events seen so far, and the event that caused this
    version."""

    task_sid: str
    revision: int
    cause_event_id: str
    cause_type: str
    cause_at: int
    first_event_at: int
    latest_event_at: int
    latest_arrival_at: int
    facts: Mapping[str, Fact]
    milestones: Mapping[str, int]
    reservations: tuple[Reservation, ...]
    transfers: tuple[Transfer, ...]
    legs: tuple[Leg, ...]
    direction: str | None
    state: str
    connections: tuple[Connection, ...]
    media_streams: tuple[ReportedStream, ...] = ()
    more_offers: bool = False


@dataclass(frozen=True, slots=True)
class CallAlias:
    """A call leg belongs to a task: the two SIDs mean the same call."""

    call_sid: str
    task_sid: str
    at: int
    listed: bool = False


@dataclass(frozen=True, slots=True)
class CallAliasState:
    """The resolver's state of a call leg. Only in the resolver's table."""

    call_sid: str
    task_sid: str | None
    told_at: int
    latest_at: int
    waiting: tuple[bytes, ...]
    other_task_sids: tuple[str, ...] = ()
    listed_task_sids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LegContested:
    """Two tasks name the same call leg. This record informs `task_sid` of the other one."""

    call_sid: str
    task_sid: str
    other_task_sid: str
    at: int
    listed: bool = False


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """A name of a worker."""

    kind: str
    value: str
    seen_at: int
    counts_from: int


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """A reservation names its worker."""

    worker_sid: str
    task_sid: str
    identities: tuple[WorkerIdentity, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Worker:
    """All names that a worker was ever seen with."""

    worker_sid: str
    identities: tuple[WorkerIdentity, ...]
    at: int


@dataclass(frozen=True, slots=True)
class ForgottenCall:
    """Replaces a call in the tracker's table after its state was deleted. Later events of the call
    are too late."""

    task_sid: str
    ended_at: int | None
    forgotten_at: int


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


@dataclass(frozen=True, slots=True)
class FindConference:
    """Ask Twilio whether it lists a conference for a task without a known leg: one HTTP
    request."""

    command_id: str
    task_sid: str
    generation: int
    issued_at: int
    expires_at: int


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


@dataclass(frozen=True, slots=True)
class MediaStreamOpened:
    """A gateway has accepted a media stream. On stream.events and on media."""

    stream_sid: str
    call_sid: str
    task_sid: str
    name: str | None
    generation: int
    gateway: str
    epoch: int
    at: int
    clock_correction_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Frames of one size, with timestamps at a regular step."""

    timestamp: int
    frames: int
    step: int
    size: int


@dataclass(frozen=True, slots=True)
class SequenceBreak:
    """A place in a track at which frames that Twilio sent are missing."""

    timestamp: int
    reason: str


@dataclass(frozen=True, slots=True)
class TrackBatch:
    """The frames of one track in a batch."""

    track: str
    runs: tuple[Run, ...]
    invalid: int
    audio: bytes
    breaks: tuple[SequenceBreak, ...] = ()


@dataclass(frozen=True, slots=True)
class MediaBatch:
    """At most 0.5 s of a media stream, both tracks."""

    stream_sid: str
    call_sid: str
    task_sid: str
    gateway: str
    epoch: int
    number: int
    at: int
    first_sequence: int | None
    last_sequence: int | None
    tracks: tuple[TrackBatch, ...]


@dataclass(frozen=True, slots=True)
class DroppedTrack:
    """The dropped frames of one track."""

    track: str
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class MediaDropped:
    """Batches that a gateway had to drop, in their place on media: the frames that it received,
    without their audio."""

    stream_sid: str
    call_sid: str
    task_sid: str
    gateway: str
    epoch: int
    at: int
    reason: str
    first_number: int
    last_number: int
    tracks: tuple[DroppedTrack, ...]


@dataclass(frozen=True, slots=True)
class MediaStreamClosed:
    """A media stream ended. On stream.events and on media."""

    stream_sid: str
    call_sid: str
    task_sid: str
    name: str | None
    generation: int
    gateway: str
    epoch: int
    at: int
    reason: str
    detail: str
    batches: int
    frames: int
    invalid: int
    unbroken: bool = False


@dataclass(frozen=True, slots=True)
class GatewayStarted:
    """A gateway has started: the media streams of its earlier epochs are dead. On every partition
    of stream.events and media."""

    gateway: str
    epoch: int
    at: int


@dataclass(frozen=True, slots=True)
class GatewayAlive:
    """A gateway is alive, and so are its media streams. On every partition of stream.events, every
    two seconds."""

    gateway: str
    epoch: int
    at: int


@dataclass(frozen=True, slots=True)
class HandshakeRefused:
    """A gateway refused a WebSocket that Twilio opened for a media stream with a genuine ticket."""

    task_sid: str
    call_sid: str
    generation: int
    gateway: str
    epoch: int
    at: int
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ObservedTrack:
    """Observations of one track of a test call's media stream. Timestamps in ms."""

    track: str
    frames: int
    first_timestamp: int
    last_timestamp: int
    uneven_steps: int
    first_chunk: int
    last_chunk: int


@dataclass(frozen=True, slots=True)
class MediaStreamObserved:
    """A gateway's observations of a test call's media stream, sent at its end."""

    stream_sid: str
    call_sid: str
    task_sid: str
    generation: int
    gateway: str
    epoch: int
    at: int
    pings: int
    pongs: int
    stop_seen: bool
    tracks: tuple[ObservedTrack, ...]


@dataclass(frozen=True, slots=True)
class RecordingStarted:
    """The recorder has begun a recording."""

    inum: str
    stream_sid: str
    call_sid: str
    task_sid: str
    generation: int
    started_at: int
    recording_id: str = ""
    supplement_of: str = ""


@dataclass(frozen=True, slots=True)
class RecordingCompleted:
    """A recording is complete: its audio and manifest are stored."""

    inum: str
    stream_sid: str
    call_sid: str
    task_sid: str
    generation: int
    started_at: int
    ended_at: int
    duration_ms: int
    received: int
    lost: int
    duplicate: int
    invalid: int
    overlap: int
    audio: str
    audio_bytes: int
    audio_sha256: str
    manifest: str
    reason: str
    recording_id: str = ""
    supplement_of: str = ""
    lost_for: Mapping[str, int] = field(default_factory=dict, hash=False)
    lost_at_end: int = 0
    withheld: int = 0
    withheld_ms: int = 0
    silent_ms: int = 0


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


@dataclass(frozen=True, slots=True)
class BridgeCheckpoint:
    """How far a shard of a Kinesis stream has been bridged. Written in the same transaction as the
    events."""

    name: str
    kinesis_stream: str
    stream_created_at: int
    shard_id: str
    sequence_number: str | None
    finished: bool
    arrived_at: int | None
    at: int
    instance: str
    elements: int = 0


@dataclass(frozen=True, slots=True)
class PlacedRun:
    """Frames of one size that follow each other in the audio without a seam, and the silence before
    the first of them."""

    timestamp: int
    frames: int
    step: int
    size: int
    silence: int
    lost: int
    reason: str


@dataclass(frozen=True, slots=True)
class LeftOutRun:
    """Frames that were left out of the audio."""

    timestamp: int
    frames: int
    step: int
    size: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class SegmentTrack:
    """One track's part of a segment."""

    track: str
    start: int
    runs: tuple[PlacedRun, ...]
    left_out: tuple[LeftOutRun, ...]
    invalid: int
    audio: bytes


@dataclass(frozen=True, slots=True)
class RecordingSegment:
    """A piece of a recording, stored in the recordings store until the recording is complete."""

    stream_sid: str
    index: int
    first_offset: int
    last_offset: int
    batches: int
    tracks: tuple[SegmentTrack, ...]


@dataclass(frozen=True, slots=True)
class TimestampStretch:
    """Timestamps at a regular step."""

    first: int
    step: int
    count: int


@dataclass(frozen=True, slots=True)
class DroppedStretch:
    """Audio that a gateway had to drop: samples of a track from `first` to `end`, exclusive."""

    first: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True)
class RecorderTrack:
    """The recorder's state of one track."""

    track: str
    end: int | None
    received: int
    lost: int
    duplicate: int
    overlap: int
    invalid: int
    batch_missing: bool
    seen: tuple[TimestampStretch, ...]
    dropped: tuple[DroppedStretch, ...] = ()
    lost_for: Mapping[str, int] = field(default_factory=dict, hash=False)
    break_reason: str = ""


@dataclass(frozen=True, slots=True)
class BatchRange:
    """A range of batch numbers, both ends inclusive."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class ClockPoint:
    """The time at which a sample was received."""

    sample: int
    at: int


@dataclass(frozen=True, slots=True)
class RecorderDecision:
    """A decision on a call that the recorder has read on the media topic."""

    task_sid: str
    at: int
    decision: str
    reason: str
    offset: int
    heard_at: int


@dataclass(frozen=True, slots=True)
class RecorderCheckpoint:
    """The state of a recording, with all that is needed to continue it from the media topic."""

    stream_sid: str
    call_sid: str
    task_sid: str
    name: str | None
    generation: int
    gateway: str
    epoch: int
    started_at: int
    last_at: int
    first_offset: int
    offset: int
    closed_at: int | None
    segments: int
    batches: int
    last_batch: int
    missing_batches: int
    repeated_batches: int
    tracks: tuple[RecorderTrack, ...]
    pending: RecordingSegment | None
    heard_at: int
    dropped_batches: int = 0
    begun_at: int = 0
    by_task: bool = False
    part: int = 0
    supplement_of: str = ""
    origin: int = 0
    ranges: tuple[BatchRange, ...] = ()
    clock: tuple[ClockPoint, ...] = ()
    named_at: int = 0
    decisions: tuple[RecorderDecision, ...] = ()


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


@dataclass(frozen=True, slots=True)
class BridgePeriod:
    """The part of a Kinesis stream that is bridged under a checkpoint name, if that is not the
    whole stream: `begins_at` inclusive, `ends_at` exclusive, compared with a record's arrival time
    in Kinesis."""

    name: str
    kinesis_stream: str
    stream_created_at: int
    begins_at: int | None
    ends_at: int | None
    at: int
    instance: str


@dataclass(frozen=True, slots=True)
class DeadLetterRetried:
    """A dead letter was retried. Written in the same transaction as the records that it led to."""

    partition: int
    offset: int
    given_up_at: int
    at: int
    outcome: str
    records: int


@dataclass(frozen=True, slots=True)
class DerivationProgress:
    """How far a derivation has come. Written in the same transaction as the derived records."""

    roles: tuple[str, ...]
    since: int | None
    until: int | None
    rules: str
    complete_from: int
    positions: Mapping[str, int]
    ends: Mapping[str, int]
    clock: int
    ends_at: int
    finished: bool
    taken: int
    written: int
    refused: int
