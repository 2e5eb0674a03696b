"""One recording, as a fold over the records of its media stream.

Audio is cut into segments after the record with which the pending audio reaches 10 s of both
tracks: where the cuts lie follows from the records alone, and so does everything that is stored.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.media.batch import MalformedBatch, check
from pipeline.media.regular import MOST_FRAMES, STEP_MS, RegularBatch
from pipeline.media.runs import SAMPLES_PER_MS
from pipeline.media.wav import MAX_SAMPLES
from pipeline.recordings.track import TrackAssembler
from schemas.records import (
    MediaBatch,
    MediaStreamOpened,
    RecorderCheckpoint,
    RecorderTrack,
    RecordingSegment,
    SegmentTrack,
    TrackBatch,
)

TRACKS = ("inbound", "outbound")
"""Left, right."""

SEGMENT_BYTES = 160_000
"""10 s of both tracks."""

MAX_SEGMENT_RUNS = 1_000
MAX_TIMESTAMP_MS = 25 * 60 * 60 * 1000
"""No call lasts longer; a greater timestamp is rubbish, and would be hours of silence."""
_LAST_REGULAR_MS = MAX_TIMESTAMP_MS - MOST_FRAMES * STEP_MS
"""A regular batch that begins by then has no timestamp that is too great."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Whose audio it is, and since when (`started_at` and `epoch` in ms, the gateway's clock)."""

    stream_sid: str
    call_sid: str
    task_sid: str
    name: str | None
    generation: int
    gateway: str
    epoch: int
    started_at: int
    first_offset: int


@dataclass(frozen=True, slots=True)
class Batches:
    """What batch numbers tell: how many came, the highest, how many were skipped or not new."""

    count: int = 0
    last: int = 0
    missing: int = 0
    repeated: int = 0

    def with_next(self, count: int) -> "Batches":
        """And so many more, each numbered as it should be."""
        return Batches(self.count + count, self.last + count, self.missing, self.repeated)

    def with_number(self, number: int) -> "Batches":
        """And one more."""
        if number > self.last:
            missing = self.missing + number - self.last - 1
            return Batches(self.count + 1, number, missing, self.repeated)
        return Batches(self.count + 1, self.last, self.missing, self.repeated + 1)


class Assembler:
    """The fold. `checkpoint()` and `Assembler(checkpoint)` stop and go on at any record.

    Records of the media stream below `next_offset` are in; whoever knows that there are none up to
    a greater offset may set it. `heard_at` is for whoever folds records in to set: the Kafka
    timestamp of the last one.
    """

    __slots__ = (
        "_batches",
        "_first_offset",
        "_gathered",
        "_inbound",
        "_last_offset",
        "_outbound",
        "_pending_batches",
        "_tracks",
        "heard_at",
        "last_at",
        "next_offset",
        "recording",
        "segments",
    )

    def __init__(self, checkpoint: RecorderCheckpoint) -> None:
        c = checkpoint
        self.recording = Recording(
            *(c.stream_sid, c.call_sid, c.task_sid, c.name, c.generation),
            *(c.gateway, c.epoch, c.started_at, c.first_offset),
        )
        self.last_at = c.last_at
        self.heard_at = c.heard_at or c.last_at
        self.segments = c.segments
        self._batches = Batches(c.batches, c.last_batch, c.missing_batches, c.repeated_batches)
        self._gathered = 0  # batches that are not in `_batches` yet
        self.next_offset = c.offset
        pending = {t.track: t for t in c.pending.tracks} if c.pending else {}
        self._tracks = {t.track: TrackAssembler(t, pending.get(t.track)) for t in c.tracks}
        self._inbound, self._outbound = (self._tracks[name] for name in TRACKS)
        self._first_offset = c.pending.first_offset if c.pending else None
        self._last_offset = c.pending.last_offset if c.pending else None
        self._pending_batches = c.pending.batches if c.pending else 0

    @property
    def samples(self) -> int:
        """The length of the longer track."""
        return max(track.end for track in self._tracks.values())

    @property
    def batches(self) -> Batches:
        """What their numbers tell."""
        return self._batches.with_next(self._gathered)

    def gather(self, batch: RegularBatch, offset: int) -> bool:
        """Folds in a batch that only goes on with what is there, which is quickly done. False: it
        is something else, and was not folded in. A segment may be due after it."""
        inbound, outbound = self._inbound, self._outbound
        if (
            batch.number != self._batches.last + self._gathered + 1
            or batch.inbound_timestamp != inbound.goes_on_at
            or batch.outbound_timestamp != outbound.goes_on_at
            or max(batch.inbound_timestamp, batch.outbound_timestamp) > _LAST_REGULAR_MS
        ):
            return False
        inbound.gather(batch.inbound)
        outbound.gather(batch.outbound)
        self._gathered += 1
        self._folded_in(batch.at, offset)
        return True

    def add(self, batch: MediaBatch, offset: int) -> RecordingSegment | None:
        """Folds in a batch; the segment that is complete with it, if one is.

        Raises `MalformedBatch`, with nothing folded in.
        """
        for track_batch in batch.tracks:
            self._check(track_batch)
        known = self.batches
        self._batches, self._gathered = known.with_number(batch.number), 0
        if self._batches.missing > known.missing:
            for track in self._tracks.values():
                track.batch_missing()
        for track_batch in batch.tracks:
            self._tracks[track_batch.track].add(track_batch)
        self._folded_in(batch.at, offset)
        return self.cut(offset) if self.due else None

    @property
    def due(self) -> bool:
        """Whether a segment is to be cut now."""
        inbound, outbound = self._inbound, self._outbound
        return (
            inbound.pending_bytes + outbound.pending_bytes >= SEGMENT_BYTES
            or inbound.pending_runs + outbound.pending_runs >= MAX_SEGMENT_RUNS
        )

    def cut(self, offset: int) -> RecordingSegment:
        """What is pending, as a segment; the next begins here. `offset` is that of the record for
        which it is cut: where nothing is pending, it is all that the segment comes from."""
        segment = self._segment(TrackAssembler.cut, offset)
        self.segments += 1
        self._pending_batches, self._first_offset, self._last_offset = 0, None, None
        return segment

    def tracks(self) -> tuple[RecorderTrack, ...]:
        """What is known of each track, inbound first."""
        return tuple(self._tracks[name].state() for name in TRACKS)

    def checkpoint(self) -> RecorderCheckpoint:
        """All that is needed to go on with the records from `next_offset`."""
        r, b = self.recording, self.batches
        return RecorderCheckpoint(
            stream_sid=r.stream_sid,
            call_sid=r.call_sid,
            task_sid=r.task_sid,
            name=r.name,
            generation=r.generation,
            gateway=r.gateway,
            epoch=r.epoch,
            started_at=r.started_at,
            last_at=self.last_at,
            first_offset=r.first_offset,
            offset=self.next_offset,
            closed_at=None,
            segments=self.segments,
            batches=b.count,
            last_batch=b.last,
            missing_batches=b.missing,
            repeated_batches=b.repeated,
            tracks=self.tracks(),
            pending=self._pending(),
            heard_at=self.heard_at,
        )

    def _folded_in(self, at: int, offset: int) -> None:
        self.last_at = max(self.last_at, at)
        self.next_offset = offset + 1
        self._pending_batches += 1
        self._last_offset = offset
        if self._first_offset is None:
            self._first_offset = offset

    def _pending(self) -> RecordingSegment | None:
        if not self._pending_batches:
            return None
        return self._segment(TrackAssembler.pending, self.next_offset)

    def _segment(
        self, piece: Callable[[TrackAssembler], SegmentTrack], offset: int
    ) -> RecordingSegment:
        return RecordingSegment(
            self.recording.stream_sid,
            self.segments,
            offset if self._first_offset is None else self._first_offset,
            offset if self._last_offset is None else self._last_offset,
            self._pending_batches,
            tuple(piece(self._tracks[name]) for name in TRACKS),
        )

    def _check(self, batch: TrackBatch) -> None:
        check(batch)
        for run in batch.runs:
            if run.timestamp + (run.frames - 1) * run.step > MAX_TIMESTAMP_MS:
                raise MalformedBatch(f"a timestamp of more than 25 h in {run}")
        end = max(self._tracks[batch.track].end, MAX_TIMESTAMP_MS * SAMPLES_PER_MS)
        if end + len(batch.audio) > MAX_SAMPLES:
            raise MalformedBatch("more audio than a WAV file can hold")


def opened(record: MediaStreamOpened, offset: int) -> Assembler:
    """The recording of a media stream that a gateway took in."""
    r = record
    return _new(
        Recording(
            r.stream_sid,
            r.call_sid,
            r.task_sid,
            r.name,
            r.generation,
            r.gateway,
            r.epoch,
            r.at,
            offset,
        )
    )


def opened_by_batch(batch: MediaBatch, offset: int) -> Assembler:
    """The recording of a media stream whose opening never came: it begins with this batch, which
    is still to be added."""
    b = batch
    return _new(
        Recording(b.stream_sid, b.call_sid, b.task_sid, None, 0, b.gateway, b.epoch, b.at, offset)
    )


def _new(recording: Recording) -> Assembler:
    r = recording
    return Assembler(
        RecorderCheckpoint(
            stream_sid=r.stream_sid,
            call_sid=r.call_sid,
            task_sid=r.task_sid,
            name=r.name,
            generation=r.generation,
            gateway=r.gateway,
            epoch=r.epoch,
            started_at=r.started_at,
            last_at=r.started_at,
            first_offset=r.first_offset,
            offset=r.first_offset + 1,
            closed_at=None,
            segments=0,
            batches=0,
            last_batch=0,
            missing_batches=0,
            repeated_batches=0,
            tracks=tuple(RecorderTrack(name, None, 0, 0, 0, 0, 0, False, ()) for name in TRACKS),
            pending=None,
            heard_at=0,
        )
    )
