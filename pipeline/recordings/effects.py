"""What the fold over a partition of `media` asks for, and the recorder carries out."""

from pipeline.recordings.decisions import Period
from pipeline.recordings.recording import Batches, Recording
from pipeline.recordings.trailing_loss import AtEnd
from schemas.fast_dataclass import dataclass
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
class WithheldSpan:
    """Samples [first, last) that must not be heard, and by which decision."""

    first: int
    last: int
    period: Period


@dataclass(frozen=True, slots=True)
class Withheld:
    """Frames that are left out of the audio: their number on each track (inbound, outbound) by
    span, the samples [first, last) of each track that are silence instead, and its length (ms)."""

    frames: tuple[tuple[int, int], ...] = ()
    silenced: tuple[tuple[tuple[int, int], ...], ...] = ((), ())
    ms: int = 0

    @property
    def total(self) -> int:
        """Frames of both tracks."""
        return sum(map(sum, self.frames))


NOTHING_WITHHELD = Withheld()


@dataclass(frozen=True, slots=True)
class RecordingEnded:
    """A recording is complete: `stored` segments are in the store, `tail` is the last one. If there
    are `spans`, call `pipeline.recordings.withholding.without_withheld` first. Write audio and
    manifest, announce it, publish `checkpoint`: in this order; then drop the segments.

    `origin`: the timestamp (ms of media time) that lies at sample 0.
    """

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
    origin: int = 0
    spans: tuple[WithheldSpan, ...] = ()
    withheld: Withheld = NOTHING_WITHHELD


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
