"""Segments to WAV, piece by piece."""

from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.media.wav import HEADER_SIZE, SILENCE, header
from pipeline.recordings import interleave
from pipeline.recordings.interleave import BrokenSegments, part_audio, silenced, wav
from schemas.records import PlacedRun, RecordingSegment, SegmentTrack

RUNS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 4), st.integers(1, 9)), max_size=5)
SEGMENTS = st.lists(st.tuples(RUNS, RUNS), max_size=4)


def part(track: str, runs: Sequence[tuple[int, int, int]], seed: int = 0) -> SegmentTrack:
    """Return a segment's track: silence, frames and frame size of each run."""
    size = sum(frames * size for _, frames, size in runs)
    audio = bytes((seed + 7 * n) % 200 for n in range(size))
    placed = tuple(PlacedRun(0, frames, 20, size, silence, 0, "") for silence, frames, size in runs)
    return SegmentTrack(track, 0, placed, (), 0, audio)


def plain(of: SegmentTrack) -> bytes:
    """Return the samples of a part, run by run."""
    out, at = b"", 0
    for run in of.runs:
        size = run.frames * run.size
        out += SILENCE * run.silence + of.audio[at : at + size]
        at += size
    return out


def segments_of(
    runs: Sequence[tuple[Sequence[tuple[int, int, int]], Sequence[tuple[int, int, int]]]],
) -> list[RecordingSegment]:
    return [
        RecordingSegment(
            "MZ1", n, 0, 0, 1, (part("inbound", left, n), part("outbound", right, 90 + n))
        )
        for n, (left, right) in enumerate(runs)
    ]


async def written(segments: Sequence[RecordingSegment], samples: int) -> list[bytes]:
    async def fetch(index: int) -> RecordingSegment:
        return segments[index]

    return [bytes(piece) async for piece in wav(fetch, len(segments), samples)]


@given(RUNS, st.integers(1, 64))
def test_a_part_has_its_silences_and_its_audio(
    runs: list[tuple[int, int, int]], chunk: int
) -> None:
    """However large the pieces are; none is larger than a piece and the audio that was there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interleave, "CHUNK_BYTES", chunk)
        of = part("inbound", runs)
        pieces = list(part_audio(of))
    assert plain(of) == b"".join(pieces)
    assert all(len(piece) <= chunk + len(of.audio) + chunk for piece in pieces)


def test_a_part_whose_runs_do_not_fit_its_audio_is_broken() -> None:
    """Neither more nor less."""
    of = part("inbound", [(0, 2, 5)])
    for audio in (of.audio[:-1], of.audio + b"x"):
        broken = SegmentTrack("inbound", 0, of.runs, (), 0, audio)
        with pytest.raises(BrokenSegments, match="runs of 10 bytes"):
            list(part_audio(broken))


@given(SEGMENTS)
async def test_the_tracks_are_interleaved_and_filled_up(runs) -> None:
    """The header, then left and right sample by sample; the shorter track ends in silence."""
    segments = segments_of(runs)
    sides = [b"".join(plain(segment.tracks[side]) for segment in segments) for side in (0, 1)]
    samples = max(map(len, sides))
    left, right = (side + SILENCE * (samples - len(side)) for side in sides)
    expected = bytes(sample for pair in zip(left, right, strict=True) for sample in pair)
    pieces = await written(segments, samples)
    assert header(samples) + expected == b"".join(pieces)
    assert pieces[0].startswith(header(samples))


@pytest.mark.parametrize("samples", [9, 11])
async def test_segments_of_another_length_are_refused(samples: int) -> None:
    """The header has been written by then, so the file must not be kept."""
    with pytest.raises(BrokenSegments, match=f"{samples} samples wanted, 10 there"):
        await written(segments_of([([(0, 2, 5)], [])]), samples)


@given(
    st.integers(0, 30),
    st.lists(st.integers(1, 12).map(lambda samples: 2 * samples), max_size=6),
    st.lists(
        st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), max_size=3),
        min_size=2,
        max_size=2,
    ),
    st.integers(0, 30),
)
async def test_samples_are_silenced_however_the_file_is_cut(
    samples: int, cuts: list[int], places: list[list[tuple[int, int]]], kept: int
) -> None:
    """Each range only on its own track; the file ends after as many samples as are kept."""
    kept = min(kept, samples)
    audio = bytearray(n % 200 for n in range(2 * samples))
    expected = bytes(header(samples) + audio)
    ranges = [[(first, first + size) for first, size in side] for side in places]

    async def pieces() -> AsyncIterator[bytearray]:
        at = 0
        for size in [HEADER_SIZE, *cuts, len(expected)]:
            if expected[at : at + size]:
                yield bytearray(expected[at : at + size])
            at += size

    found = b"".join([bytes(piece) async for piece in silenced(pieces(), kept, ranges)])
    for side, own in enumerate(ranges):
        for first, last in own:
            for sample in range(first, min(last, samples)):
                audio[2 * sample + side] = SILENCE[0]
    assert bytes(header(kept) + audio[: 2 * kept]) == found
