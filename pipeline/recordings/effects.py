"""The effects that the fold over a partition of `media` returns, and the recorder carries out."""

from pipeline.recordings.decisions import DecisionPeriod
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
    """A recording began. Announce it on `recordings`."""

    started: RecordingStarted


@dataclass(frozen=True, slots=True)
class SegmentCut:
    """A segment is complete. Store it, and only then publish `checkpoint`."""

    recording: Recording
    segment: RecordingSegment
    checkpoint: RecorderCheckpoint


@dataclass(frozen=True, slots=True)
class WithheldSpan:
    """Samples [first, last) that must not be audible, and the decision."""

    first: int
    last: int
    period: DecisionPeriod


@dataclass(frozen=True, slots=True)
class Withheld:
    """Frames that are left out of the audio. `frames`: their number on each track (inbound,
    outbound), by span. `silenced`: the samples [first, last) of each track that become silence.
    `ms`: the length of these spans."""

    frames: tuple[tuple[int, int], ...] = ()
    silenced: tuple[tuple[tuple[int, int], ...], ...] = ((), ())
    ms: int = 0

    @property
    def total(self) -> int:
        """Withheld frames of both tracks."""
        return sum(map(sum, self.frames))


NOTHING_WITHHELD = Withheld()


@dataclass(frozen=True, slots=True)
class RecordingEnded:
    """A recording is complete: `stored` segments are in the store, `tail` is the last one. If there
    are `spans`, call `pipeline.recordings.withholding.without_withheld` first. Then write audio and
    manifest, announce the recording, publish `checkpoint`, and drop the segments, in this order.

    `origin`: the timestamp of sample 0 (ms of media time). `frames_at`: when the gateway received
    the first and the last frame (ms, its clock); None: there is none.
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
    frames_at: tuple[int | None, int | None] = (None, None)


@dataclass(frozen=True, slots=True)
class Refused:
    """The record belongs to no recording: write a dead letter with a fixed reason and a detail."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """The record changed nothing, and nothing is lost because of it."""

    reason: str


NEVER_OPENED = Ignored("closed, never opened")
"""The close of a media stream without any other record."""

Effect = RecordingBegan | SegmentCut | RecordingEnded | Refused | Ignored
