"""The audio of the simulated people: each voice of each call sings a melody of its own.

Customers sing low, agents high, and outside parties in between, some notes louder than others. All
frequencies are multiples of 50 Hz, so a 20 ms frame holds whole waves and notes join without a
click. The lowest bits of a frame's first 32 bytes encode its number, so all frames of a track
differ and a misplaced frame can be detected.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from math import pi, sin
from random import Random

import numpy as np
from numpy.typing import NDArray

from simulator.mulaw import SILENCE, encoded

FRAME_BYTES = 160
FRAME_MS = 20
SAMPLE_RATE = 8000
NUMBER_BITS = 32
NOTE_FRAMES = 12
NOTES = 16
LOUDNESS = (0.15, 0.4, 0.7, 1.0)
"""The parts of its voice's loudness that a note may have."""


class Voice(StrEnum):
    """The kinds of voices."""

    CUSTOMER = "customer"
    AGENT = "agent"
    SECOND_AGENT = "second agent"
    OUTSIDER = "outsider"
    HOLD_MUSIC = "hold music"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class Timbre:
    """Pitches (Hz) that a voice sings, its loudness, and when it speaks: `talks` frames of each
    `cycle`, beginning `offset` frames into it."""

    pitches: tuple[int, ...]
    loudness: int
    talks: int
    cycle: int
    offset: int


TIMBRES = {
    Voice.CUSTOMER: Timbre((150, 200, 250, 300, 350), 9000, 70, 150, 0),
    Voice.AGENT: Timbre((600, 700, 750, 800, 900), 6000, 60, 150, 78),
    Voice.SECOND_AGENT: Timbre((1000, 1100, 1200, 1300, 1500), 5000, 60, 150, 78),
    Voice.OUTSIDER: Timbre((400, 450, 500, 550), 7000, 60, 150, 78),
    Voice.HOLD_MUSIC: Timbre((500, 650, 800, 1000, 1250), 2500, 60, 60, 0),
    Voice.SILENCE: Timbre((50,), 0, 0, 60, 0),
}


@lru_cache(maxsize=256)
def tone(frequency: int, loudness: int) -> bytes:
    """Return one frame of a steady tone. `frequency` (Hz) must be a multiple of 50."""
    step = 2 * pi * frequency / SAMPLE_RATE
    return encoded(round(loudness * sin(step * i)) for i in range(FRAME_BYTES))


@lru_cache(maxsize=4096)
def melody(call: str, voice: Voice) -> tuple[tuple[int, int], ...]:
    """Return the notes that `voice` repeats in `call`: pitch (Hz) and loudness of each."""
    timbre, random = TIMBRES[voice], Random(f"{call}/{voice}")  # noqa: S311
    pitches = random.choices(timbre.pitches, k=NOTES)
    parts = random.choices(LOUDNESS, k=NOTES)
    return tuple(
        (pitch, round(timbre.loudness * part)) for pitch, part in zip(pitches, parts, strict=True)
    )


def is_silent(voice: Voice, number: int) -> bool:
    """Return whether frame `number` (from 0) of `voice` is silence."""
    timbre = TIMBRES[voice]
    return (number + timbre.cycle - timbre.offset) % timbre.cycle >= timbre.talks


def frame(call: str, voice: Voice, number: int) -> bytes:
    """Return the 160 mu-law bytes of frame `number` (from 0) of `voice` in `call`."""
    if not is_silent(voice, number):
        sound = tone(*melody(call, voice)[number // NOTE_FRAMES % NOTES])
    else:
        sound = bytes([SILENCE]) * FRAME_BYTES
    return numbered(sound, number)


def frames(call: str, voice: Voice, numbers: range) -> bytes:
    """Return the frames of these numbers as `frame` makes them, at a hundredth of its cost."""
    wanted, timbre = np.arange(numbers.start, numbers.stop), TIMBRES[voice]
    is_quiet = (wanted + timbre.cycle - timbre.offset) % timbre.cycle >= timbre.talks
    made = _sounds(call, voice)[np.where(is_quiet, NOTES, wanted // NOTE_FRAMES % NOTES)]
    bits = wanted[:, np.newaxis] >> np.arange(NUMBER_BITS)[::-1] & 1
    made[:, :NUMBER_BITS] = made[:, :NUMBER_BITS] & 0xFE | bits.astype(np.uint8)
    return made.tobytes()


@lru_cache(maxsize=256)
def _sounds(call: str, voice: Voice) -> NDArray[np.uint8]:
    """Return a frame of each note of a melody, and one of silence."""
    sounds = [*(tone(*note) for note in melody(call, voice)), bytes([SILENCE]) * FRAME_BYTES]
    return np.frombuffer(b"".join(sounds), np.uint8).reshape(NOTES + 1, FRAME_BYTES)


def numbered(sound: bytes, number: int) -> bytes:
    """Return `sound` with `number` (below 2^32) in the lowest bits of its first 32 bytes."""
    head = bytes(sound[i] & 0xFE | number >> (NUMBER_BITS - 1 - i) & 1 for i in range(NUMBER_BITS))
    return head + sound[NUMBER_BITS:]


def number_of(payload: bytes) -> int:
    """Return the number that `numbered` put into a frame."""
    number = 0
    for byte in payload[:NUMBER_BITS]:
        number = number << 1 | byte & 1
    return number
