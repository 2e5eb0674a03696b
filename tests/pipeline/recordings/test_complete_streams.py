"""The memory of complete recordings: which batches they have, and when they are forgotten."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.recordings import assembler
from pipeline.recordings.complete_streams import CompleteStreams, has_batch, last_batch
from pipeline.recordings.keys import recording_id
from tests.pipeline.recordings.closing import closing_checkpoint
from tests.pipeline.recordings.folded import fold_all, message
from tests.pipeline.recordings.logs import EPOCH, GATEWAY, T0, closed, opened

REMEMBERED_MS = 4 * 24 * 60 * 60 * 1000
FIRST = closing_checkpoint("MZ1", offset=5, last=3)
SUPPLEMENT = closing_checkpoint("MZ1", offset=9, part=7, closed_at=T0 + 90_000)
OTHER = closing_checkpoint("MZ2", offset=6)


def test_the_recordings_of_a_stream_are_found_in_the_order_of_the_log() -> None:
    """Checkpoints are read back in any order; one that is read twice is kept once."""
    known = CompleteStreams([SUPPLEMENT, OTHER, FIRST, FIRST])
    assert [FIRST, SUPPLEMENT] == known.of("WT1", "MZ1")
    assert [OTHER] == known.of("WT1", "MZ2")
    assert [] == known.of("WT2", "MZ1")
    assert [] == known.of("WT1", "MZ3")


def test_a_closing_that_is_known_is_forgotten_once() -> None:
    """A repeated one leaves nothing behind."""
    known = CompleteStreams([FIRST])
    known.add(FIRST)
    assert [FIRST] == known.forget(100, T0 + 2 * REMEMBERED_MS)
    assert [] == known.of("WT1", "MZ1")
    assert [] == known.forget(100, T0 + 2 * REMEMBERED_MS)


@pytest.mark.parametrize(
    ("passed", "after", "gone"),
    [(5, 1, 1), (5, 0, 0), (4, 1, 0), (6, 1, 1)],
    ids=["both limits are passed", "too early", "read again from before its end", "long passed"],
)
def test_when_a_recording_is_forgotten(passed: int, after: int, gone: int) -> None:
    """More than four days of log time after its end, and not while the log is read again from
    before its end: its batches would begin a recording of their own."""
    known = CompleteStreams([FIRST])
    now = T0 + 1_000 + 4 * 24 * 60 * 60 * 1_000 + after
    assert gone == len(known.forget(passed, now))
    assert 1 - gone == len(known.of("WT1", "MZ1"))


def test_the_oldest_are_forgotten_first() -> None:
    """The supplement of a stream outlives the first recording; others do not matter."""
    known = CompleteStreams([FIRST, OTHER, SUPPLEMENT])
    assert [FIRST, OTHER] == known.forget(100, T0 + 1_001 + REMEMBERED_MS)
    assert [SUPPLEMENT] == known.of("WT1", "MZ1")


@given(st.integers(0, 12))
def test_a_batch_is_in_a_recording_of_its_own_gateway(number: int) -> None:
    """Batches are numbered within one life of a gateway."""
    complete = [FIRST, replace(closing_checkpoint("MZ1", last=9), gateway="gateway-1")]
    assert (1 <= number <= 3) == has_batch(complete, GATEWAY, EPOCH, number)
    assert (1 <= number <= 9) == has_batch(complete, "gateway-1", EPOCH, number)
    assert not has_batch(complete, GATEWAY, EPOCH + 1, number)


def test_the_highest_number_of_a_gateways_life() -> None:
    """0 if none of its batches is known."""
    complete = [closing_checkpoint("MZ1", last=n) for n in (3, 8, 5)]
    assert 8 == last_batch(complete, GATEWAY, EPOCH)
    assert 0 == last_batch(complete, GATEWAY, EPOCH + 1)
    assert 0 == last_batch(complete, "gateway-1", EPOCH)


REMEMBERED_MS = 4 * 24 * 60 * 60 * 1000


@pytest.fixture(autouse=True, scope="module")
def _small_segments() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembler, "SEGMENT_BYTES", 1_000)
        yield


def test_complete_streams_are_forgotten_in_the_end():
    """Not before, and not while something may be read again from before their end."""
    fold, effects = fold_all(message(opened("MZ1"), 0), message(closed("MZ1"), 1))
    key = recording_id(effects[-1].recording).encode()
    assert [] == fold.forget(2, T0 + REMEMBERED_MS)
    assert [] == fold.forget(1, T0 + REMEMBERED_MS + 1)
    assert [key] == fold.forget(2, T0 + REMEMBERED_MS + 1)
