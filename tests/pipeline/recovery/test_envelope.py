"""Loudness over time, in steps of 5 ms."""

import numpy as np

from pipeline.recovery.envelope import SPEECH_LEVEL, envelope, mixed
from tests.pipeline.recovery.speech import mu_law


def tone(loudness: int, samples: int) -> np.ndarray:
    """Return a square wave as mu-law: its RMS is its loudness."""
    return mu_law(np.resize([loudness, -loudness], samples).astype(np.int16))


def test_silence_is_zero_and_loud_is_more() -> None:
    """A step is 40 samples; samples after the last whole step do not count."""
    quiet, soft, loud = tone(0, 40), tone(300, 40), tone(8_000, 45)
    found = envelope(np.concatenate([quiet, soft, loud]))
    assert 3 == len(found)
    assert 0 == found[0]
    assert SPEECH_LEVEL < found[1] < found[2]


def test_the_level_of_speech_is_between_an_rms_of_96_and_104() -> None:
    """An RMS of 32 has the value 1."""
    soft, loud = envelope(tone(96, 40)), envelope(tone(104, 40))
    assert soft[0] < SPEECH_LEVEL < loud[0]
    assert 1 == envelope(tone(32, 40))[0]


def test_a_mix_has_the_energy_of_both() -> None:
    """Silence adds nothing."""
    loud, silent = envelope(tone(4_000, 400)), envelope(tone(0, 400))
    assert np.allclose(mixed(np.array([loud, silent])), loud)
    assert np.all(mixed(np.array([loud, loud])) > loud)
