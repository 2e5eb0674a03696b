"""Recordings and the recorder's checkpoints."""

from collections.abc import Mapping
from dataclasses import field

from ..fast_dataclass import dataclass


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
    first_frame_at: int | None = None
    last_frame_at: int | None = None
    source: str = "stream"


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
