"""What the fold over a partition of `media` asks for, and the recorder carries out."""

from pipeline.recordings.at_end import AtEnd
from pipeline.recordings.recording import Batches, Recording
from schemas.frozen import dataclass
from schemas.records import (
    MediaStreamClosed,
    RecorderCheckpoint,
    RecorderTrack,
    RecordingSegment,
    RecordingStarted,
)


@dataclass(frozen=True, slots=True)
class RecordingBegan:
    """A recording began: to be told on `recordings`."""

    started: RecordingStarted


@dataclass(frozen=True, slots=True)
class SegmentCut:
    """A segment is complete. Store it; then `checkpoint` may be published, not before."""

    recording: Recording
    segment: RecordingSegment
    checkpoint: RecorderCheckpoint


@dataclass(frozen=True, slots=True)
class RecordingEnded:
    """A recording is complete: `stored` segments are in the store, `tail` is the last one. Write
    audio and manifest, tell it, publish `checkpoint`: in this order; then drop the segments."""

    recording: Recording
    ended_at: int
    reason: str
    detail: str
    last_offset: int
    samples: int
    tracks: tuple[RecorderTrack, ...]
    batches: Batches
    reported: MediaStreamClosed | None
    stored: int
    tail: RecordingSegment
    checkpoint: RecorderCheckpoint
    at_end: AtEnd | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The record is no part of any recording: a dead letter, with a fixed word and a sentence."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """The record changed nothing and nothing is lost by it."""

    reason: str


NEVER_OPENED = Ignored("closed, never opened")
"""The end of a media stream of which nothing else was read."""

Effect = RecordingBegan | SegmentCut | RecordingEnded | Refused | Ignored
