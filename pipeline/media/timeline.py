"""The places of one track's frames in its audio, as a fold over them in order of arrival.

The rule, with d = timestamp x 8 - end of the track's audio so far, in samples:

    first frame   it lies at timestamp x 8; the silence before it is no loss
    |d| < 80      jitter: it follows without a seam
    d >= 80       d samples of silence, then the frame; max(1, round(d / 160)) frames are lost
    d <= -80      left out: a duplicate if the timestamp was there before, else an overlap

`round` rounds half to even, as Python does.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from pipeline.media.runs import JITTER_SAMPLES, SAMPLES_PER_MS
from schemas.fast_dataclass import dataclass
from schemas.records import Run

SAMPLES_PER_FRAME = 160
MAX_STRETCHES = 100_000
"""The greatest number of stretches of timestamps, and of single timestamps out of order, that are
remembered. There are many only if timestamps are irregular for hours. The oldest are then
forgotten, and a repetition of one of their frames counts as an overlap instead of a duplicate."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Timestamps `first`, `first + step`, ..., `count` of them; step 0 if count is 1."""

    first: int
    step: int
    count: int


@dataclass(frozen=True, slots=True)
class TimelineState:
    """The whole state of a timeline, as plain values. `end` None: no frame was placed yet."""

    end: int | None = None
    received: int = 0
    lost: int = 0
    duplicate: int = 0
    overlap: int = 0
    seen: tuple[Stretch, ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """`run`'s frames belong to the audio, after `silence` samples of silence.

    `at`: the sample at which the first frame begins. `offset`: of its first byte in the run
    given to `Timeline.place`. `lost`: frames missing before it; 0 for the first of a track.
    """

    at: int
    silence: int
    lost: int
    offset: int
    run: Run


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A frame that does not belong to the audio. `duplicate` False: it overlaps earlier audio."""

    timestamp: int
    size: int
    offset: int
    duplicate: bool


class Timeline:
    """The fold. Call `place` for the track's runs in order; `state` and `Timeline(state)` stop and
    continue."""

    __slots__ = ("_seen", "duplicate", "end", "lost", "overlap", "received")

    def __init__(self, state: TimelineState | None = None) -> None:
        state = TimelineState() if state is None else state
        self.end = state.end
        self.received = state.received
        self.lost = state.lost
        self.duplicate = state.duplicate
        self.overlap = state.overlap
        self._seen = _Timestamps(state.seen)

    def state(self) -> TimelineState:
        """Return the present state. Later calls of `place` do not change it."""
        return TimelineState(
            self.end,
            self.received,
            self.lost,
            self.duplicate,
            self.overlap,
            self._seen.stretches(),
        )

    def place(self, run: Run) -> list[Placed | LeftOut]:
        """Return the result for the run's frames, in their order. Neighbours that follow without a
        seam are one `Placed`."""
        pieces: list[Placed | LeftOut] = []
        number = 0
        while number < run.frames:
            timestamp = run.timestamp + number * run.step
            silence = self._silence_before(timestamp)
            if silence is None:
                pieces.append(self._leave_out(timestamp, run.size, number * run.size))
                number += 1
            else:
                frames = self._seamless_frames(run, number, silence)
                pieces.append(self._append(run, number, frames, silence))
                number += frames
        return pieces

    def _silence_before(self, timestamp: int) -> int | None:
        """Return the samples of silence before this frame; None: it is left out."""
        start = timestamp * SAMPLES_PER_MS
        if self.end is None:
            return max(0, start) if start > -JITTER_SAMPLES else None
        distance = start - self.end
        if distance <= -JITTER_SAMPLES:
            return None
        return distance if distance >= JITTER_SAMPLES else 0

    def _seamless_frames(self, run: Run, number: int, silence: int) -> int:
        """Return how many of the run's frames, from `number` on, follow without a seam."""
        left = run.frames - number
        drift = run.step * SAMPLES_PER_MS - run.size
        if left == 1 or drift == 0:
            return left
        # Each further frame is `drift` samples later (or earlier) than the one before it.
        distance = self._distance_after(run.timestamp + number * run.step, silence)
        frames = 1
        while frames < left and abs(distance + frames * drift) < JITTER_SAMPLES:
            frames += 1
        return frames

    def _distance_after(self, timestamp: int, silence: int) -> int:
        """Return how late a placed frame is, in samples; 0 if silence before it made room."""
        if self.end is None or silence:
            return 0
        return timestamp * SAMPLES_PER_MS - self.end

    def _append(self, run: Run, number: int, frames: int, silence: int) -> Placed:
        timestamp = run.timestamp + number * run.step
        lost = 0 if self.end is None or not silence else frames_in(silence)
        at = (self.end or 0) + silence
        self.end = at + frames * run.size
        self.received += frames
        self.lost += lost
        step = run.step if frames > 1 else 0
        self._seen.add(timestamp, step, frames)
        return Placed(at, silence, lost, number * run.size, Run(timestamp, frames, step, run.size))

    def _leave_out(self, timestamp: int, size: int, offset: int) -> LeftOut:
        duplicate = timestamp in self._seen
        if duplicate:
            self.duplicate += 1
        else:
            self.overlap += 1
            self._seen.add(timestamp, 0, 1)
        return LeftOut(timestamp, size, offset, duplicate)


def frames_in(silence: int) -> int:
    """Return how many frames are lost in a hole of `silence` samples."""
    return max(1, round(silence / SAMPLES_PER_FRAME))


class _Timestamps:
    """A set of timestamps. It is small if they come in order: ascending stretches, and the strays
    (frames that came after later ones), which are few."""

    __slots__ = ("_ascending", "_last", "_strays")

    def __init__(self, stretches: Iterable[Stretch]) -> None:
        self._ascending: list[Stretch] = []
        self._last = -1
        self._strays: set[int] = set()
        for stretch in stretches:
            self.add(stretch.first, stretch.step, stretch.count)

    def add(self, first: int, step: int, count: int) -> None:
        while count and first <= self._last:
            self._strays.add(first)
            first, count = first + step, count - 1
        if len(self._strays) > MAX_STRETCHES:
            self._strays = set(sorted(self._strays)[len(self._strays) // 2 :])
        if not count:
            return
        step = step if count > 1 else 0
        self._last = first + (count - 1) * step
        if self._ascending and (longer := _joined(self._ascending[-1], first, step, count)):
            self._ascending[-1] = longer
        else:
            self._ascending.append(Stretch(first, step, count))
            if len(self._ascending) > MAX_STRETCHES:
                self._forget_oldest()

    def _forget_oldest(self) -> None:
        del self._ascending[: len(self._ascending) // 2]
        oldest = self._ascending[0].first
        self._strays = {each for each in self._strays if each >= oldest}

    def __contains__(self, timestamp: int) -> bool:
        if timestamp in self._strays:
            return True
        index = bisect_right(self._ascending, timestamp, key=lambda stretch: stretch.first)
        return index > 0 and _holds(self._ascending[index - 1], timestamp)

    def stretches(self) -> tuple[Stretch, ...]:
        """Return all stretches. The ascending ones come first, to ascend when restored."""
        return (*self._ascending, *_compressed(sorted(self._strays)))


def _joined(stretch: Stretch, first: int, step: int, count: int) -> Stretch | None:
    """Return both as one stretch; None if they do not form one."""
    gap = first - (stretch.first + (stretch.count - 1) * stretch.step)
    steps = {s for s, n in ((stretch.step, stretch.count), (step, count)) if n > 1}
    if steps <= {gap}:
        return Stretch(stretch.first, gap, stretch.count + count)
    return None


def _holds(stretch: Stretch, timestamp: int) -> bool:
    distance = timestamp - stretch.first
    if distance == 0:
        return True
    return (
        stretch.step > 0
        and distance % stretch.step == 0
        and distance // stretch.step < stretch.count
    )


def _compressed(timestamps: Iterable[int]) -> Iterator[Stretch]:
    current: Stretch | None = None
    for timestamp in timestamps:
        joined = current and _joined(current, timestamp, 0, 1)
        if current and not joined:
            yield current
        current = joined or Stretch(timestamp, 0, 1)
    if current:
        yield current
