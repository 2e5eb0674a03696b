"""Audio files are read and written in pieces, sample by sample."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.retriever import audio
from agents.retriever.audio import DeliveredFile, RecoveredFile, captured_sides, opened
from pipeline.media.wav import header
from pipeline.recovery.cutting import Cut
from pipeline.recovery.envelope import HOP_SAMPLES, envelope
from pipeline.recovery.sides import CustomerChannel, DeterminedBy
from pipeline.recovery.wav_file import NotUsable
from pipeline.store.audio import AudioStore
from tests.pipeline.recovery.contacts_made import AT, recording_at

SAMPLES = 5_000
LEFT, RIGHT = (np.random.default_rng(n).integers(0, 256, SAMPLES, np.uint8) for n in (1, 2))


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> DeliveredFile:
    """A file with two channels."""
    path = tmp_path_factory.mktemp("audio") / "x.wav"
    path.write_bytes(header(SAMPLES) + np.stack([LEFT, RIGHT], 1).tobytes())
    return opened(path, None, ())


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "PIECE_SAMPLES", 10 * HOP_SAMPLES)


def test_envelopes_are_those_of_the_whole(delivered: DeliveredFile) -> None:
    """Pieces have whole steps, so nothing is lost between them."""
    found = delivered.envelopes()
    assert np.array_equal(found, np.array([envelope(LEFT), envelope(RIGHT)]))


@pytest.mark.parametrize("piece", [7, 400, 10_000])
@given(
    first=st.integers(0, 2_000),
    length=st.integers(1, 3_000),
    number=st.integers(0, 1),
    silent=st.tuples(st.integers(0, 3_000), st.integers(0, 3_000)),
)
def test_the_cut_is_written_sample_by_sample(  # noqa: PLR0917
    delivered: DeliveredFile,
    piece: int,
    first: int,
    length: int,
    number: int,
    silent: tuple[int, int],
) -> None:
    """Left is the customer; silenced parts are silent on both sides, wherever pieces end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audio, "PIECE_SAMPLES", piece)
        begin, end = sorted(first + min(at, length) for at in silent)
        cut = Cut(first, first + length, ((begin, end),) if begin < end else ())
        file = RecoveredFile(delivered, cut, CustomerChannel(number, DeterminedBy.AUDIO))
        content = asyncio.run(_joined(file))
    sides = [channel.copy() for channel in ((LEFT, RIGHT), (RIGHT, LEFT))[number]]
    for side in sides:
        side[begin:end] = 0xFF
    expected = np.stack([side[first : first + length] for side in sides], 1).tobytes()
    assert header(length) + expected == content
    assert file.size == len(content)


async def _joined(file: RecoveredFile) -> bytes:
    return b"".join([chunk async for chunk in file.chunks()])


async def test_a_file_that_became_shorter_is_refused(tmp_path: Path) -> None:
    """Its header promised more."""
    path = tmp_path / "x.wav"
    path.write_bytes(header(900) + bytes(1_800))
    file = opened(path, None, ())
    path.write_bytes(header(900) + bytes(1_000))
    with pytest.raises(NotUsable, match="became shorter"):
        file.envelopes()


async def test_the_part_of_a_capture_that_overlaps_is_read(tmp_path: Path) -> None:
    """With the time at which it begins; a recording that does not overlap has none."""
    store = AudioStore.from_url(tmp_path.as_uri())
    await store.put("a.wav", header(SAMPLES) + np.stack([LEFT, RIGHT], 1).tobytes())
    recording = recording_at(1_000, SAMPLES // 8)
    found = await captured_sides(store, recording, AT + 1_100, AT + 1_500)
    assert found is not None
    begins_at, sides = found
    assert AT + 1_100 == begins_at
    expected = [envelope(side[800:4_000]) for side in (LEFT, RIGHT)]
    assert np.array_equal(sides, np.array(expected))
    assert await captured_sides(store, recording, AT + 9_000, AT + 9_500) is None
