"""Measure the audio of a test call: frames, holes, sound. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from schemas.records import MediaBatch, TrackBatch

FRAME_MS = 20
LOUD = 200
"""The mean magnitude of a frame's samples (at most 32,124) from which the frame counts as sound."""


def _magnitude(byte: int) -> int:
    bits = ~byte & 0xFF
    exponent, mantissa = bits >> 4 & 7, bits & 15
    return ((mantissa << 3) + 0x84 << exponent) - 0x84


_MAGNITUDES = tuple(map(_magnitude, range(256)))


@dataclass(frozen=True, slots=True)
class HeardTrack:
    """One track of a media stream. `longest_hole_ms`: between two frames; `longest_quiet_ms`: of
    consecutive frames without sound; `is_broken`: sequence numbers are missing."""

    frames: int = 0
    loud_frames: int = 0
    longest_hole_ms: int = 0
    longest_quiet_ms: int = 0
    is_broken: bool = False


def heard(batches: Iterable[MediaBatch]) -> dict[str, HeardTrack]:
    """Return the tracks of one media stream, by name. Batches that were repeated count once."""
    numbered = {(b.gateway, b.epoch, b.number): b for b in batches}
    parts: dict[str, list[TrackBatch]] = {}
    for key in sorted(numbered):
        for part in numbered[key].tracks:
            parts.setdefault(part.track, []).append(part)
    return {name: _track(of_track) for name, of_track in parts.items()}


def _track(parts: list[TrackBatch]) -> HeardTrack:
    frames = [frame for part in parts for frame in _frames(part)]
    quiet = loud = longest_quiet = 0
    for _, payload in frames:
        is_loud = sum(map(_MAGNITUDES.__getitem__, payload)) > LOUD * len(payload)
        loud += is_loud
        quiet = 0 if is_loud else quiet + FRAME_MS
        longest_quiet = max(longest_quiet, quiet)
    times = [at for at, _ in frames]
    holes = (later - at - FRAME_MS for at, later in pairwise(times))
    return HeardTrack(
        frames=len(frames),
        loud_frames=loud,
        longest_hole_ms=max(holes, default=0),
        longest_quiet_ms=longest_quiet,
        is_broken=any(part.breaks for part in parts),
    )


def _frames(part: TrackBatch) -> Iterator[tuple[int, bytes]]:
    offset = 0
    for run in part.runs:
        for number in range(run.frames):
            yield run.timestamp + number * run.step, part.audio[offset : offset + run.size]
            offset += run.size
