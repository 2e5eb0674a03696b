"""Frames to runs and back: how a batch describes its frames without a record for each.

A run never hides a gap. The timestamps of its frames are one step apart, and a step differs from
the length of a frame by less than the jitter that is played without a seam.
"""

from collections.abc import Iterable, Iterator

from schemas.records import Run

SAMPLES_PER_MS = 8
JITTER_SAMPLES = 80
"""A difference of fewer samples is jitter, and no hole."""


class RunBuilder:
    """Frames in order of their arrival, stored as runs."""

    __slots__ = ("_done", "_first", "_frames", "_next", "_size", "_step")

    def __init__(self) -> None:
        self._done: list[Run] = []
        self._first = self._step = self._size = self._frames = 0
        self._next = -1  # the timestamp that would continue the run; -1: none is known

    def add(self, timestamp: int, size: int) -> None:
        """Add a frame: `timestamp` in ms of media time (>= 0), `size` in samples (> 0)."""
        if timestamp == self._next and size == self._size:
            self._frames += 1
            self._next += self._step
        else:
            self._begin_or_pair(timestamp, size)

    def runs(self) -> tuple[Run, ...]:
        """Return all frames so far as runs."""
        return (*self._done, self._current()) if self._frames else tuple(self._done)

    def _begin_or_pair(self, timestamp: int, size: int) -> None:
        step = timestamp - self._first
        if self._frames == 1 and size == self._size and _seamless(step, size):
            self._frames, self._step, self._next = 2, step, timestamp + step
            return
        if self._frames:
            self._done.append(self._current())
        self._first, self._size, self._frames, self._step = timestamp, size, 1, 0
        self._next = -1

    def _current(self) -> Run:
        return Run(self._first, self._frames, self._step, self._size)


def runs_of(frames: Iterable[tuple[int, int]]) -> tuple[Run, ...]:
    """Return the runs of frames given as (timestamp, size), in their order."""
    builder = RunBuilder()
    for timestamp, size in frames:
        builder.add(timestamp, size)
    return builder.runs()


def frames_of(runs: Iterable[Run]) -> Iterator[tuple[int, int]]:
    """Yield the frames of the runs as (timestamp, size), in their order."""
    for run in runs:
        for number in range(run.frames):
            yield run.timestamp + number * run.step, run.size


def _seamless(step: int, size: int) -> bool:
    return step > 0 and abs(step * SAMPLES_PER_MS - size) < JITTER_SAMPLES
