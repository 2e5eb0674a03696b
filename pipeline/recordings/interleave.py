"""Segments to WAV, piece by piece, so that a call of 24 hours is never in memory as a whole.

Each track is read by itself through all segments. The tracks may lie far apart in the log (one may
be silent for an hour): a segment holds samples that arrived together, not samples of the same time.
"""

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterator, Sequence

from pipeline.media.wav import CHANNELS, HEADER_SIZE, SILENCE, header, interleave
from schemas.records import RecordingSegment, SegmentTrack

Fetch = Callable[[int], Awaitable[RecordingSegment]]
"""Returns a recording's segment by its index."""

CHUNK_BYTES = 512 * 1024
"""About the size of the pieces of one track."""


class BrokenSegments(ValueError):
    """The segments are not those of the recording. The text gives the difference."""


async def wav(fetch: Fetch, segments: int, samples: int) -> AsyncGenerator[bytearray, None]:
    """Yield the WAV file of a recording of `segments` segments, in pieces. `samples`: the length of
    its longer track. Raise `BrokenSegments` if the segments hold something else."""
    left, right = _track(fetch, segments, 0), _track(fetch, segments, 1)
    left_bytes: bytes | None = b""
    right_bytes: bytes | None = b""
    piece = bytearray(header(samples))
    missing = samples
    while True:
        if left_bytes == b"":
            left_bytes = await anext(left, None)
        if right_bytes == b"":
            right_bytes = await anext(right, None)
        count = _common(left_bytes, right_bytes)
        if not count:
            break
        piece += interleave((left_bytes or b"")[:count], (right_bytes or b"")[:count])
        yield piece
        piece = bytearray()
        left_bytes = left_bytes and left_bytes[count:]
        right_bytes = right_bytes and right_bytes[count:]
        missing -= count
    if missing:
        raise BrokenSegments(f"{samples} samples wanted, {samples - missing} there")
    if piece:
        yield piece


async def silenced(
    pieces: AsyncIterable[bytearray],
    samples: int,
    ranges: Sequence[Sequence[tuple[int, int]]],
) -> AsyncGenerator[bytearray, None]:
    """Yield a WAV file with silence in place of samples [first, last) of each track, cut off after
    `samples`. `pieces`: the file, from its first byte; the first has the whole header, and each has
    whole samples of both tracks."""
    at = -HEADER_SIZE
    size = CHANNELS * samples
    async for piece in pieces:
        if at < 0:
            piece[:HEADER_SIZE] = header(samples)
        for side, own in enumerate(ranges):
            for first, last in own:
                begin = max(CHANNELS * first, at) + side
                end = min(CHANNELS * last, at + len(piece))
                count = len(range(begin, end, CHANNELS))
                piece[begin - at : max(begin, end) - at : CHANNELS] = SILENCE * count
        kept = piece[: max(0, size - at)]
        at += len(piece)
        if kept:
            yield kept


def part_audio(part: SegmentTrack) -> Iterator[bytes]:
    """Yield the samples of a segment's track, silences filled in, in pieces."""
    out = bytearray()
    position = copied = 0  # audio before `copied` is in `out` or was yielded
    for run in part.runs:
        silence = run.silence
        if silence:
            out += part.audio[copied:position]
            copied = position
        while silence:
            filled = min(silence, CHUNK_BYTES)
            out += SILENCE * filled
            silence -= filled
            if len(out) >= CHUNK_BYTES:
                yield bytes(out)
                out.clear()
        position += run.frames * run.size
    if position != len(part.audio):
        raise BrokenSegments(f"runs of {position} bytes, audio of {len(part.audio)}")
    if out or copied:
        yield bytes(out) + part.audio[copied:]
    elif part.audio:
        yield part.audio


async def _track(fetch: Fetch, segments: int, index: int) -> AsyncGenerator[bytes, None]:
    for number in range(segments):
        for piece in part_audio((await fetch(number)).tracks[index]):
            if piece:
                yield piece


def _common(left: bytes | None, right: bytes | None) -> int:
    """Return how many samples can be interleaved now. If one track has ended, return all samples of
    the other."""
    if left is None or right is None:
        return len(left or right or b"")
    return min(len(left), len(right))
