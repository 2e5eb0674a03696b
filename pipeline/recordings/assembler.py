"""One recording, as a fold over the records of its media stream.

Audio is cut into segments: after the record with which the pending audio reaches 10 s of both
tracks. The cuts depend on the records alone, and so does everything that is stored.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from pipeline.media.batch import MalformedBatch, check, check_runs
from pipeline.media.regular import RegularBatch
from pipeline.media.runs import SAMPLES_PER_MS
from pipeline.media.wav import MAX_SAMPLES
from pipeline.recordings.keys import recording_of
from pipeline.recordings.lost_ranges import START
from pipeline.recordings.received_at import ReceiveClock
from pipeline.recordings.recording import Batches, batches_of
from pipeline.recordings.timestamps import LAST_REGULAR_MS, MAX_TIMESTAMP_MS, check_timestamps
from pipeline.recordings.track import TrackAssembler
from schemas.records import (
    ClockPoint,
    DroppedTrack,
    MediaBatch,
    MediaDropped,
    RecorderCheckpoint,
    RecorderTrack,
    RecordingSegment,
    Run,
    SegmentTrack,
    TrackBatch,
)

TRACKS = ("inbound", "outbound")
"""The left and the right channel."""

SEGMENT_BYTES = 160_000
"""10 s of both tracks."""

MAX_SEGMENT_RUNS = 1_000


UNKNOWN = -1
"""The origin of a supplement that has no frame yet."""


class Assembler:
    """The fold. `checkpoint()` and `Assembler(checkpoint)` stop and continue at any record.

    The media stream's records below `next_offset` are folded in. The caller may set `next_offset`
    to a greater offset if there are no records up to that, and sets `heard_at`, the Kafka timestamp
    of the last record. `begun_at`: the latest time at which the media clock can have begun (ms, by
    the gateway's clock), because no frame is received before its time. `origin`: the timestamp of
    sample 0 (ms of media time). It is 0, except for a supplement: its sample 0 is its first frame.
    """

    __slots__ = (
        "_batches",
        "_clock",
        "_end",
        "_first_offset",
        "_gathered",
        "_inbound",
        "_last_offset",
        "_outbound",
        "_pending_batches",
        "_tracks",
        "begun_at",
        "heard_at",
        "last_at",
        "next_offset",
        "origin",
        "recording",
        "segments",
    )

    def __init__(self, checkpoint: RecorderCheckpoint) -> None:
        c = checkpoint
        self.recording = recording_of(c)
        self.origin = c.origin
        self.last_at = c.last_at
        self.heard_at = c.heard_at or c.last_at
        self.begun_at = c.begun_at or c.started_at
        self.segments = c.segments
        self._batches = batches_of(c)
        self._clock = ReceiveClock(c.clock)
        self._gathered = 0  # batches that are not in `_batches` yet
        self.next_offset = c.offset
        pending = {t.track: t for t in c.pending.tracks} if c.pending else {}
        self._tracks = {t.track: TrackAssembler(t, pending.get(t.track)) for t in c.tracks}
        self._inbound, self._outbound = (self._tracks[name] for name in TRACKS)
        self._first_offset = c.pending.first_offset if c.pending else None
        self._last_offset = c.pending.last_offset if c.pending else None
        self._pending_batches = c.pending.batches if c.pending else 0
        self._end = self.samples

    @property
    def received_at(self) -> tuple[ClockPoint, ...]:
        """The clock of the samples: see `pipeline.recordings.received_at`."""
        return self._clock.points

    @property
    def samples(self) -> int:
        """The length of the longer track."""
        return max(track.end for track in self._tracks.values())

    @property
    def batches(self) -> Batches:
        """The batches that arrived, by number."""
        return self._batches.with_next(self._gathered)

    def gather(self, batch: RegularBatch, offset: int) -> bool:
        """Fold in a batch that continues both tracks without a seam; this is fast. Return False,
        with nothing folded in, for any other batch. A segment may be due after it."""
        inbound, outbound, origin = self._inbound, self._outbound, self.origin
        if (
            batch.number != self._batches.last + self._gathered + 1
            or batch.inbound_timestamp - origin != inbound.goes_on_at
            or batch.outbound_timestamp - origin != outbound.goes_on_at
            or max(batch.inbound_timestamp, batch.outbound_timestamp) > LAST_REGULAR_MS
        ):
            return False
        inbound.gather(batch.inbound)
        outbound.gather(batch.outbound)
        self._gathered += 1
        self._note_time(batch.at)
        self._folded_in(batch.at, offset)
        return True

    def add(self, batch: MediaBatch, offset: int) -> RecordingSegment | None:
        """Fold in a batch. Return the segment that it completes, if any. A batch that was folded in
        before is counted and adds nothing.

        Raise `MalformedBatch`, with nothing folded in.
        """
        for track_batch in batch.tracks:
            self._check(track_batch)
        is_new = not self.batches.has(batch.number)
        self._number(self.batches.with_number(batch.number))
        if is_new:
            for track_batch in self._shifted(batch.tracks):
                self._tracks[track_batch.track].add(track_batch)
            self._note_time(batch.at)
        self._folded_in(batch.at, offset)
        return self.cut(offset) if self.due else None

    def drop(self, dropped: MediaDropped, offset: int) -> bool:
        """Fold in batches that the gateway dropped. Return False if they were known already, and
        nothing changed.

        Raise `MalformedBatch`, with nothing folded in.
        """
        d = dropped
        if d.reason in ("", START) or not 0 < d.first_number <= d.last_number:
            raise MalformedBatch(f"batches {d.first_number} to {d.last_number}: {d.reason!r}")
        for track in d.tracks:
            check_runs(track.runs)
            check_timestamps(track.runs)
        if d.last_number <= self.batches.last:
            return False
        self._number(self.batches.with_dropped(d.first_number, d.last_number))
        for track in d.tracks:
            runs = self._shifted_runs(track.runs, d.tracks)
            self._tracks[track.track].drop(runs, d.reason)
        self._folded_in(d.at, offset, batches=0)
        return True

    @property
    def due(self) -> bool:
        """Whether a segment must be cut now."""
        inbound, outbound = self._inbound, self._outbound
        return (
            inbound.pending_bytes + outbound.pending_bytes >= SEGMENT_BYTES
            or inbound.pending_runs + outbound.pending_runs >= MAX_SEGMENT_RUNS
        )

    def cut(self, offset: int) -> RecordingSegment:
        """Return the pending audio as a segment, and begin the next one. `offset`: the record that
        causes the cut. If nothing is pending, it is the segment's only offset."""
        segment = self._segment(TrackAssembler.cut, offset)
        self.segments += 1
        self._pending_batches, self._first_offset, self._last_offset = 0, None, None
        return segment

    def tracks(self) -> tuple[RecorderTrack, ...]:
        """Return the state of each track, inbound first."""
        return tuple(self._tracks[name].state() for name in TRACKS)

    def checkpoint(self) -> RecorderCheckpoint:
        """Return all that is needed to continue with the records from `next_offset`."""
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
            dropped_batches=b.dropped,
            begun_at=self.begun_at,
            by_task=r.by_task,
            part=r.part,
            supplement_of=r.supplement_of,
            origin=self.origin,
            ranges=b.ranges,
            clock=self._clock.points,
            named_at=r.named_at,
        )

    def _number(self, batches: Batches) -> None:
        known = self.batches
        self._batches, self._gathered = batches, 0
        if batches.missing > known.missing:
            for track in self._tracks.values():
                track.batch_missing()

    def _note_time(self, at: int) -> None:
        """Note that the last frame was received at `at`."""
        end = max(self._inbound.end, self._outbound.end)
        lag = at - end // SAMPLES_PER_MS
        self.begun_at = min(self.begun_at, lag)
        self._clock.note(self._end, lag)
        self._end = end

    def _shifted(self, tracks: tuple[TrackBatch, ...]) -> tuple[TrackBatch, ...]:
        """Return the tracks with timestamps that count from the origin."""
        if not self.origin:
            return tracks
        return tuple(
            replace(
                track,
                runs=self._shifted_runs(track.runs, tracks),
                breaks=tuple(
                    replace(each, timestamp=each.timestamp - self.origin) for each in track.breaks
                ),
            )
            for track in tracks
        )

    def _shifted_runs(
        self, runs: tuple[Run, ...], tracks: Iterable[TrackBatch | DroppedTrack]
    ) -> tuple[Run, ...]:
        """Return the runs with timestamps that count from the origin. The first record with frames
        sets the origin; `tracks` are all tracks of the record."""
        if not self.origin:
            return runs
        if self.origin == UNKNOWN:
            self.origin = min((t.runs[0].timestamp for t in tracks if t.runs), default=UNKNOWN)
        return tuple(replace(run, timestamp=run.timestamp - self.origin) for run in runs)

    def _folded_in(self, at: int, offset: int, batches: int = 1) -> None:
        self.last_at = max(self.last_at, at)
        self.next_offset = offset + 1
        self._pending_batches += batches
        self._last_offset = offset
        if self._first_offset is None:
            self._first_offset = offset

    def _pending(self) -> RecordingSegment | None:
        if self._first_offset is None:
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
        check_timestamps(batch.runs)
        end = max(self._tracks[batch.track].end, MAX_TIMESTAMP_MS * SAMPLES_PER_MS)
        if end + len(batch.audio) > MAX_SAMPLES:
            raise MalformedBatch("more audio than a WAV file can hold")
