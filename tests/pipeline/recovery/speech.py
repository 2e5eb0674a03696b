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
    samples = np.concatenate(pieces)[: int(seconds * RATE)]
    return np.clip(samples, -32_000, 32_000).astype(np.int16)


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


def singing(seed: int, seconds: float) -> Talk:
    """Return two people that take turns in a cycle of 3 s. Only the loudness of their notes of
    240 ms differs from one cycle to the next."""
    random = np.random.default_rng(seed)
    return Talk(_cycles(random, seconds, 0, 70), _cycles(random, seconds, 78, 60))


def _cycles(random: np.random.Generator, seconds: float, first: int, talks: int) -> Samples:
    frames = np.arange(int(seconds * 50))
    notes = random.choice([1_400, 3_600, 6_300, 9_000], len(frames) // 12 + 1)
    level = notes[frames // 12] * ((frames - first) % 150 < talks)
    wave = np.sin(2 * np.pi * 200 * np.arange(len(frames) * 160) / RATE)
    return (np.repeat(level, 160) * wave).astype(np.int16)


def repeated(call: Talk, every_ms: int) -> Talk:
    """Return a conversation with its first part repeated."""
    part = slice(0, every_ms * RATE // 1000)
    sides = (np.resize(side[part], len(side)) for side in (call.customer, call.agent))
    return Talk(*sides)


def silenced(samples: Samples, part: tuple[int, int]) -> Samples:
    """Return the samples with silence in a part (ms)."""
    found = samples.copy()
    found[part[0] * RATE // 1000 : part[1] * RATE // 1000] = 0
    return found


def replaced(samples: Samples, part: tuple[int, int], other: Samples) -> Samples:
    """Return the samples with a part (ms) of other sound."""
    found = samples.copy()
    span = slice(part[0] * RATE // 1000, part[1] * RATE // 1000)
    found[span] = other[span]
    return found
