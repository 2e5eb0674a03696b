"""The places of a segment's samples in the finished WAV, so that they can be written at once.

Each sample has its own place, which follows from the log. So blocks may be written in any order,
repeatedly and by any process, and the file comes out the same.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipeline.media.wav import CHANNELS, HEADER_SIZE, SILENCE, header, interleave
from pipeline.recordings.interleave import CHUNK_BYTES, part_audio
from schemas.records import RecordingSegment, SegmentTrack


class Block(NamedTuple):
    """Bytes of the file from `position` on, `step` apart: 1, or 2 for samples of one track."""

    position: int
    data: bytes | bytearray
    step: int = 1


def blocks(segment: RecordingSegment) -> Iterator[Block]:
    """Yield the segment's samples with silences filled in: interleaved as far as it has both
    tracks, then the rest of each track alone. Raise `BrokenSegments` if its runs do not describe
    its audio."""
    left, right = segment.tracks
    if _is_long(left) or _is_long(right):
        yield from _alone(left, 0)
        yield from _alone(right, 1)
        return
    sides = [b"".join(part_audio(part)) for part in segment.tracks]
    ends = [part.start + len(side) for part, side in zip(segment.tracks, sides, strict=True)]
    begin, end = max(left.start, right.start), min(ends)
    if begin >= end:
        begin = end = max(ends)
    else:
        first, second = sides
        woven = interleave(
            first[begin - left.start : end - left.start],
            second[begin - right.start : end - right.start],
        )
        yield Block(_position(begin), woven)
    for side, (part, samples) in enumerate(zip(segment.tracks, sides, strict=True)):
        if before := samples[: max(0, begin - part.start)]:
            yield Block(_position(part.start) + side, before, CHANNELS)
        if after := samples[max(0, end - part.start) :]:
            yield Block(_position(end) + side, after, CHANNELS)


def finishing(ends: Sequence[int | None], samples: int) -> Iterator[Block]:
    """Yield the parts of a WAV of `samples` samples that are not in its segments: silence after the
    end of each track (`ends`: inbound, outbound; None: it never began), and the header."""
    for side, end in enumerate(ends):
        at = end or 0
        while at < samples:
            count = min(samples - at, CHUNK_BYTES)
            yield Block(_position(at) + side, SILENCE * count, CHANNELS)
            at += count
    yield Block(0, header(samples))


def silencing(silenced: Sequence[Sequence[tuple[int, int]]]) -> Iterator[Block]:
    """Yield silence in place of samples [first, last) of each track."""
    for side, ranges in enumerate(silenced):
        for first, last in ranges:
            for at in range(first, last, CHUNK_BYTES):
                count = min(last - at, CHUNK_BYTES)
                yield Block(_position(at) + side, SILENCE * count, CHANNELS)


def _position(sample: int) -> int:
    return HEADER_SIZE + CHANNELS * sample


def _is_long(part: SegmentTrack) -> bool:
    return len(part.audio) + sum(run.silence for run in part.runs) > CHUNK_BYTES


def _alone(part: SegmentTrack, side: int) -> Iterator[Block]:
    at = part.start
    for piece in part_audio(part):
        if piece:
            yield Block(_position(at) + side, piece, CHANNELS)
            at += len(piece)
