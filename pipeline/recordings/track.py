"""One track of a recording: the places of its frames, and the part that is not in a segment yet.

Frames that continue the last run with the same step are not placed batch by batch. They are
gathered, and placed as one run before anything else is done with the track. Whether runs are placed
apart or together makes no difference to the result.
"""

from collections.abc import Mapping
from dataclasses import replace

from pipeline.media.batch import run_audio
from pipeline.media.regular import SIZE, STEP_MS
from pipeline.media.runs import JITTER_SAMPLES, SAMPLES_PER_MS
from pipeline.media.timeline import LeftOut, Placed, Stretch, Timeline, TimelineState
from pipeline.recordings.lost_ranges import (
    BATCH_MISSING,
    NOT_RECEIVED,
    NOT_SENT,
    START,
    LostRange,
    beyond,
    holes,
    stretches,
    with_stretches,
)
from schemas.records import (
    LeftOutRun,
    PlacedRun,
    RecorderTrack,
    Run,
    SegmentTrack,
    TimestampStretch,
    TrackBatch,
)


class TrackAssembler:
    """A fold over the batches of one track. `state` and `pending` together are its whole state."""

    __slots__ = (
        "_audio",
        "_batch_missing",
        "_break_reason",
        "_breaks",
        "_dropped",
        "_gathered",
        "_invalid",
        "_left_out",
        "_lost",
        "_pending_invalid",
        "_runs",
        "_start",
        "_timeline",
        "goes_on_at",
        "pending_bytes",
        "track",
    )
    goes_on_at: int
    """The timestamp of the next frame of `SIZE` samples that `gather` may take; -1: none."""

    def __init__(self, state: RecorderTrack, pending: SegmentTrack | None = None) -> None:
        self.track = state.track
        seen = tuple(Stretch(s.first, s.step, s.count) for s in state.seen)
        self._timeline = Timeline(
            TimelineState(
                state.end, state.received, state.lost, state.duplicate, state.overlap, seen
            )
        )
        self._invalid = state.invalid
        self._batch_missing = state.batch_missing
        self._break_reason = state.break_reason
        self._breaks: Mapping[int, str] = {}
        self._dropped = state.dropped
        self._lost = _lost_for(state)
        self._begin(pending or SegmentTrack(state.track, state.end or 0, (), (), 0, b""))

    @property
    def end(self) -> int:
        """The length of the track so far, in samples."""
        return (self._timeline.end or 0) + SIZE * self._gathered

    @property
    def pending_runs(self) -> int:
        """The number of runs for the next segment."""
        return len(self._runs) + len(self._left_out)

    def batch_missing(self) -> None:
        """Note that a batch is missing here: it explains a hole before the next frame."""
        self._settle()  # the frames gathered so far came before it
        self._batch_missing = True

    def drop(self, runs: tuple[Run, ...], reason: str) -> None:
        """Note that frames were dropped: they explain a hole before the next frame, or at the end.
        If the track has audio at their time, or gets it, nothing is missing."""
        begun = self._timeline.end is not None or self._gathered
        more = stretches(runs, reason)
        more = beyond(more, self.end) if begun else more
        self._dropped = with_stretches(self._dropped, more)

    def add(self, batch: TrackBatch) -> None:
        """Fold in a batch that `pipeline.media.batch.check` accepted."""
        self._settle()
        if batch.breaks or self._breaks:
            self._breaks = {each.timestamp: each.reason for each in batch.breaks}
        self._invalid += batch.invalid
        self._pending_invalid += batch.invalid
        for run, audio in run_audio(batch):
            for piece in self._timeline.place(run):
                match piece:
                    case Placed():
                        size = piece.run.frames * piece.run.size
                        whole = size == len(audio)
                        bytes_ = audio if whole else audio[piece.offset : piece.offset + size]
                        self._place(piece, bytes_)
                    case LeftOut():
                        self._leave_out(piece)
        self._look_ahead()

    def gather(self, audio: bytes | memoryview) -> None:
        """Fold in frames of `SIZE` samples, `STEP_MS` apart, the first at `goes_on_at`."""
        frames = len(audio) // SIZE
        self._gathered += frames
        self.goes_on_at += STEP_MS * frames
        self._audio.append(audio)
        self.pending_bytes += len(audio)

    def pending(self) -> SegmentTrack:
        """Return the part of the track since the last cut."""
        self._settle()
        return SegmentTrack(
            self.track,
            self._start,
            tuple(self._runs),
            tuple(self._left_out),
            self._pending_invalid,
            b"".join(self._audio),
        )

    def cut(self) -> SegmentTrack:
        """Return the part of the track since the last cut, and begin the next one."""
        piece = self.pending()
        self._begin(SegmentTrack(self.track, self.end, (), (), 0, b""))
        return piece

    def state(self) -> RecorderTrack:
        """Return the state of the whole track."""
        self._settle()
        known = self._timeline.state()
        return RecorderTrack(
            self.track,
            known.end,
            known.received,
            sum(self._lost.values()),
            known.duplicate,
            known.overlap,
            self._invalid,
            self._batch_missing,
            tuple(TimestampStretch(s.first, s.step, s.count) for s in known.seen),
            self._dropped,
            dict(self._lost),
            self._break_reason,
        )

    def _begin(self, piece: SegmentTrack) -> None:
        self._start = piece.start
        self._runs = list(piece.runs)
        self._left_out = list(piece.left_out)
        self._pending_invalid = piece.invalid
        self._audio: list[bytes | memoryview] = [piece.audio] if piece.audio else []
        self.pending_bytes = len(piece.audio)
        self._gathered = 0
        self._look_ahead()

    def _look_ahead(self) -> None:
        self.goes_on_at = -1
        last = self._runs[-1] if self._runs else None
        if last and last.size == SIZE and last.step == (STEP_MS if last.frames > 1 else 0):
            timestamp = last.timestamp + last.frames * STEP_MS
            if abs(timestamp * SAMPLES_PER_MS - self.end) < JITTER_SAMPLES:
                self.goes_on_at = timestamp

    def _settle(self) -> None:
        """Place the gathered frames: they follow without a seam and join the last run."""
        if self._gathered:
            first = self.goes_on_at - STEP_MS * self._gathered
            run = Run(first, self._gathered, STEP_MS if self._gathered > 1 else 0, SIZE)
            self._gathered = 0
            (piece,) = self._timeline.place(run)
            assert isinstance(piece, Placed)
            self._note(piece)

    def _place(self, piece: Placed, audio: bytes) -> None:
        self._audio.append(audio)
        self.pending_bytes += len(audio)
        self._note(piece)

    def _note(self, piece: Placed) -> None:
        run = piece.run
        if self._breaks:
            self._note_break(run.timestamp)
        silence, lost, reason = self._before(piece) if piece.silence else (0, 0, "")
        self._batch_missing = False
        self._break_reason = ""
        if self._dropped:
            self._dropped = beyond(self._dropped, piece.at + run.frames * run.size)
        last = self._runs[-1] if self._runs and not silence else None
        step = _joining_step(last, run.timestamp, run.size) if last else 0
        if last and step and (run.frames == 1 or run.step == step):
            # The same as `replace`, at a tenth of the cost: this runs for every batch.
            frames = last.frames + run.frames
            self._runs[-1] = PlacedRun(
                last.timestamp, frames, step, last.size, last.silence, last.lost, last.reason
            )
        else:
            placed = (run.timestamp, run.frames, run.step, run.size, silence, lost)
            self._runs.append(PlacedRun(*placed, reason))

    def _before(self, piece: Placed) -> tuple[int, int, str]:
        """Return the silence before frames: its samples, the frames lost in it, and the reason. If
        it has several reasons, add the earlier parts as runs of their own."""
        begin = piece.at - piece.silence
        found: list[LostRange] = []
        if not piece.lost:  # the track's first frame; it is late if earlier ones were dropped
            due = self._dropped[0].first if self._dropped else piece.at
            begin = due if piece.at - due >= JITTER_SAMPLES else piece.at
            found.append(LostRange(begin, 0, START))
        found += holes(begin, piece.at, self._dropped, self._otherwise)
        silent = [hole for hole in found if hole.samples]
        for hole in silent:
            if hole.reason != START:
                self._lost[hole.reason] = self._lost.get(hole.reason, 0) + hole.lost
        for hole in silent[:-1]:
            self._runs.append(PlacedRun(0, 0, 0, 0, hole.samples, hole.lost, hole.reason))
        return silent[-1].samples, silent[-1].lost, silent[-1].reason

    @property
    def _otherwise(self) -> str:
        """Return why frames are missing before the next one, if the gateway gave no reason.

        Next to dropped frames the sequence numbers are not known: a break before one of them was
        dropped with it.
        """
        if self._batch_missing:
            return BATCH_MISSING
        return self._break_reason or (NOT_RECEIVED if self._dropped else NOT_SENT)

    def _note_break(self, timestamp: int) -> None:
        reason = self._breaks.get(timestamp)
        if reason and self._break_reason != NOT_RECEIVED:
            self._break_reason = reason

    def _leave_out(self, piece: LeftOut) -> None:
        if self._breaks:
            self._note_break(piece.timestamp)
        last = self._left_out[-1] if self._left_out else None
        if last and last.duplicate == piece.duplicate:
            step = _joining_step(last, piece.timestamp, piece.size)
            if step:
                self._left_out[-1] = replace(last, frames=last.frames + 1, step=step)
                return
        self._left_out.append(LeftOutRun(piece.timestamp, 1, 0, piece.size, piece.duplicate))


def _lost_for(state: RecorderTrack) -> dict[str, int]:
    """Return lost frames by reason. Those of an earlier checkpoint, without reasons, get one."""
    lost = dict(state.lost_for)
    if rest := state.lost - sum(lost.values()):
        lost[NOT_RECEIVED] = lost.get(NOT_RECEIVED, 0) + rest
    return lost


def _joining_step(last: PlacedRun | LeftOutRun, timestamp: int, size: int) -> int:
    """Return the step with which a frame continues the run; 0: it begins another run."""
    if size != last.size:
        return 0
    if last.frames > 1:
        return last.step if timestamp == last.timestamp + last.frames * last.step else 0
    step = timestamp - last.timestamp
    return step if step > 0 and abs(step * SAMPLES_PER_MS - size) < JITTER_SAMPLES else 0
