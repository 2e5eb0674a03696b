"""Captured audio and a channel are correlated in blocks of a second."""

import numpy as np
import pytest

from pipeline.recovery.blocks import BLOCK, block_correlations, evidence, match, smoothed
from pipeline.recovery.envelope import envelope
from tests.pipeline.recovery.speech import RATE, mu_law, noisy, talk

SPEECH = envelope(mu_law(talk(7, 20).customer))
OTHER = envelope(mu_law(talk(8, 20).customer))


def test_equal_sound_correlates_at_its_own_place_only() -> None:
    """Column 0 of the captured audio is column 600 of the channel, which is place 100 here."""
    captured = SPEECH[600 : 600 + 4 * BLOCK]
    found = block_correlations(captured, SPEECH, 500, 300)
    assert (4, 300) == found.shape
    assert evidence(found).argmax() == 100
    assert (found[:, 100] > 0.9).all()


def test_a_louder_channel_correlates_as_well() -> None:
    """A gain is a constant in the logarithm."""
    captured = SPEECH[: 3 * BLOCK]
    found = block_correlations(captured, SPEECH + 1, 0, 1)
    assert found[:, 0] == pytest.approx(block_correlations(captured, SPEECH, 0, 1)[:, 0])


@pytest.mark.parametrize("first", [-1, len(SPEECH) - 2 * BLOCK + 1])
def test_a_block_that_is_cut_off_by_the_end_of_the_channel_says_nothing(first: int) -> None:
    """The end of a recording is not the end of a word."""
    words = np.resize(np.repeat([0.0, 6.0], BLOCK // 2), 2 * BLOCK)
    found = block_correlations(words, SPEECH, first, 1)
    cut_off = 0 if first < 0 else 1
    assert 0 == found[cut_off, 0]
    assert found[1 - cut_off, 0] != 0


def test_noise_says_nothing() -> None:
    """Neither silence nor the noise of a line, even if it is equal on both sides."""
    noise = envelope(mu_law(noisy(np.zeros(5 * RATE, np.int16), 1, 40)))
    assert not block_correlations(noise, noise, 0, 10).any()
    assert not evidence(block_correlations(noise, SPEECH, 0, 10)).any()


def test_a_block_that_differs_takes_nothing_away() -> None:
    """Hold music on one side: the evidence is that of the blocks that agree."""
    captured = SPEECH[: 4 * BLOCK].copy()
    alone = evidence(block_correlations(captured, SPEECH, 0, 1))[0]
    captured[2 * BLOCK :] = OTHER[: 2 * BLOCK]
    half = evidence(block_correlations(captured, SPEECH, 0, 1))[0]
    first = evidence(block_correlations(captured[: 2 * BLOCK], SPEECH, 0, 1))[0]
    assert first <= half < alone


def test_common_speech_is_loud_on_both_sides_and_agrees() -> None:
    """Sound at the same time on two sides counts once."""
    loud, quiet = np.full(BLOCK, 6.0), np.zeros(BLOCK)
    captured = np.concatenate([loud, loud, quiet])
    channel = np.concatenate([loud, quiet, loud])
    pair = (captured, channel)
    agree, differ = np.ones(3), np.zeros(3)
    assert 1_000 == match([pair, pair], [agree, agree], 0).speech_ms
    assert 0 == match([pair], [differ], 0).speech_ms
    assert 0.85 == match([pair, (captured, captured)], [np.full(3, 0.8), np.full(3, 0.875)],
                         0).correlation  # fmt: skip
    assert 0.0 == match([pair], [differ], 0).correlation


def test_smoothing_keeps_the_length_and_the_sum() -> None:
    """Each column becomes the average of three."""
    peak = np.array([0.0, 0.0, 3.0, 0.0, 0.0])
    assert [0, 1, 1, 1, 0] == pytest.approx(smoothed(peak).tolist())
    assert 2 == len(smoothed(np.ones(2)))
