"""Signals like speech: words and pauses of random length and loudness, on two sides."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.recovery.wav_file import SampleFormat as Format
from pipeline.recovery.wav_file import WavLayout, channels_of

RATE = 8_000
Samples = NDArray[np.int16]


@dataclass(frozen=True)
class Talk:
    """Two people in conversation, as 16-bit samples."""

    customer: Samples
    agent: Samples


def talk(seed: int, seconds: float) -> Talk:
    """Return a conversation. The sides overlap now and then, as people do."""
    random = np.random.default_rng(seed)
    return Talk(_side(random, seconds, 2.0), _side(random, seconds, 1.5))


def _side(random: np.random.Generator, seconds: float, pause: float) -> Samples:
    pieces: list[NDArray[np.float64]] = []
    length = 0
    while length < seconds * RATE:
        quiet = int(random.uniform(0.05, pause) * RATE)
        word = int(random.uniform(0.1, 0.9) * RATE)
        noise = random.normal(0, random.uniform(800, 6_000), word)
        rise = np.minimum(1, np.minimum(np.arange(word), np.arange(word)[::-1]) / 400)
        pieces += [np.zeros(quiet), noise * rise]
        length += quiet + word
    whole = np.concatenate(pieces)[: int(seconds * RATE)]
    return np.clip(whole, -32_000, 32_000).astype(np.int16)


def noisy(samples: Samples, seed: int, level: float) -> Samples:
    """Return the samples with noise of this RMS."""
    noise = np.random.default_rng(seed).normal(0, level, len(samples))
    return np.clip(samples + noise, -32_000, 32_000).astype(np.int16)


def mu_law(samples: Samples) -> NDArray[np.uint8]:
    """Return the samples as mu-law bytes."""
    layout = WavLayout(Format.PCM16, 1, 0, len(samples))
    return channels_of(samples.astype("<i2").tobytes(), layout)[0]


def with_lost_frames(samples: NDArray[np.uint8], seed: int, share: float) -> NDArray[np.uint8]:
    """Return mu-law samples in which frames of 20 ms are silence, as the recorder fills losses."""
    found = samples.copy()
    frames = np.random.default_rng(seed).random(len(found) // 160) < share
    for number in np.flatnonzero(frames):
        found[number * 160 : (number + 1) * 160] = 0xFF
    return found
