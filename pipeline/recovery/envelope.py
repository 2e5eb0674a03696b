"""The loudness of audio over time, for comparing two recordings of one call. Pure."""

import numpy as np
from numpy.typing import NDArray

from pipeline.media.wav import SAMPLE_RATE
from pipeline.recovery.wav_file import linear

HOP_MS = 5
HOP_SAMPLES = SAMPLE_RATE * HOP_MS // 1000
"""One value of an envelope describes this many samples."""
_QUIET = 32.0
_SPEECH = 100.0

Envelope = NDArray[np.float64]
"""Loudness in steps of `HOP_MS`: log2 of 1 and the RMS over `_QUIET`. The logarithm keeps a loud
word from outweighing all others, the 1 keeps silence at 0."""

SPEECH_LEVEL = float(np.log2(1 + _SPEECH / _QUIET))
"""An envelope above this value is speech, or another sound as loud."""


def envelope(samples: NDArray[np.uint8]) -> Envelope:
    """Return the envelope of mu-law samples. Samples after the last whole step do not count."""
    whole = samples[: len(samples) // HOP_SAMPLES * HOP_SAMPLES]
    values = linear(whole).reshape(-1, HOP_SAMPLES).astype(np.float64)
    found: Envelope = np.log2(1 + np.sqrt((values * values).mean(axis=1)) / _QUIET)
    return found


def mixed(envelopes: NDArray[np.float64]) -> Envelope:
    """Return the envelope of the sum of signals. `envelopes`: one row for each signal."""
    energies = ((np.exp2(envelopes) - 1) * _QUIET) ** 2
    found: Envelope = np.log2(1 + np.sqrt(energies.sum(axis=0)) / _QUIET)
    return found
