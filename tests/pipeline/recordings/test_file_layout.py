"""Segments put into their places at once give the WAV that weaving them gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.media.wav import HEADER_SIZE
from pipeline.recordings import file_layout, interleave
from pipeline.recordings.file_layout import Block, blocks, finishing, silencing
from schemas.records import PlacedRun, RecordingSegment, SegmentTrack

runs = st.lists(st.tuples(st.integers(1, 30), st.sampled_from([0, 0, 0, 7, 500])), max_size=4)


def part(name: str, start: int, given_runs: list[tuple[int, int]], byte: int) -> SegmentTrack:
    made = tuple(PlacedRun(0, 1, 0, size, silence, 0, "") for size, silence in given_runs)
    audio = bytes([byte]) * sum(size for size, _ in given_runs)
    return SegmentTrack(name, start, made, (), 0, audio)


def length(piece: SegmentTrack) -> int:
    return sum(run.size + run.silence for run in piece.runs)


@st.composite
def recordings(draw) -> list[RecordingSegment]:
    """Generate segments with tracks that may be far apart."""
    ends, made = [0, 0], []
    for index in range(draw(st.integers(1, 5))):
        parts = []
        for side, name in enumerate(("inbound", "outbound")):
            parts.append(part(name, ends[side], draw(runs), 1 + 2 * index + side))
            ends[side] += length(parts[-1])
        made.append(RecordingSegment("MZ1", index, 0, 0, 1, tuple(parts)))
    return made


@pytest.mark.parametrize("chunk", [64, interleave.CHUNK_BYTES])
@given(recordings(), st.randoms(use_true_random=False))
async def test_blocks_in_any_order_are_the_wav(chunk, segments, random):
    """The blocks give the same file in any order, also if silences need several pieces, and if some
    are written twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_layout, "CHUNK_BYTES", chunk)
        patch.setattr(interleave, "CHUNK_BYTES", chunk)
        ends = [sum(length(s.tracks[side]) for s in segments) for side in (0, 1)]

        async def fetch(index: int) -> RecordingSegment:
            return segments[index]

        woven = b"".join([p async for p in interleave.wav(fetch, len(segments), max(ends))])
        pieces = [b for segment in segments for b in blocks(segment)]
        pieces += finishing([end or None for end in ends], max(ends))
        pieces += random.choices(pieces, k=3)
        random.shuffle(pieces)
    file = bytearray(HEADER_SIZE + 2 * max(ends))
    for position, data, step in pieces:
        file[position : position + (len(data) - 1) * step + 1 : step] = data
    assert woven == file


def places(found: list[Block]) -> list[int]:
    """Return the position of each byte of the blocks."""
    ends = [(block, block.position + len(block.data) * block.step) for block in found]
    return [place for block, end in ends for place in range(block.position, end, block.step)]


@pytest.mark.parametrize(
    ("left", "right"), [((10, 8), (12, 3)), ((12, 3), (10, 8)), ((5, 2), (9, 2))]
)
def test_each_sample_of_a_segment_is_written_once(left, right):
    """Whichever track begins earlier or ends later, and also if they do not overlap."""
    tracks = {"inbound": left, "outbound": right}.items()
    parts = [part(name, start, [(size, 0)], 1) for name, (start, size) in tracks]
    expected = [
        HEADER_SIZE + 2 * sample + side
        for side, (start, size) in enumerate((left, right))
        for sample in range(start, start + size)
    ]
    found = list(blocks(RecordingSegment("MZ1", 0, 0, 0, 1, tuple(parts))))
    assert sorted(expected) == sorted(places(found))


@pytest.mark.parametrize("chunk", [2, interleave.CHUNK_BYTES])
def test_withheld_samples_become_silence(chunk, monkeypatch):
    """Those of the ranges, on their track only, in pieces."""
    monkeypatch.setattr(file_layout, "CHUNK_BYTES", chunk)
    found = list(silencing([[(0, 2), (4, 9)], [(3, 4)]]))
    left = [HEADER_SIZE + 2 * sample for sample in (0, 1, 4, 5, 6, 7, 8)]
    assert [*left, HEADER_SIZE + 2 * 3 + 1] == places(found)
    assert {0xFF} == {byte for block in found for byte in block.data}
    assert all(len(block.data) <= chunk for block in found)
