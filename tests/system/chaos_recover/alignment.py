"""The true place of a recovered recording's audio in Twilio's recording. Pure.

The frames of a voice are all different, so a piece of audio has one place only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from simulator.audio import FRAME_BYTES, FRAME_MS, number_of
from simulator.expected import SAMPLES_PER_MS, SentFrame
from simulator.mulaw import SILENCE
from simulator.recorded import RecordedCall
from simulator.recorded_rest import mixed

PROBE = 4 * FRAME_BYTES
FRAME_SAMPLES = FRAME_BYTES
LOUD = 0x70
"""Mu-law bytes with this magnitude or less are a sound, others are silence with a number in it."""

Sides = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class RecoveredPlace:
    """The true place of recovered audio. `begins_at`: ms; `strange`: samples of it that Twilio did
    not record there; `audible`: the spans (ms) in which something is audible."""

    begins_at: float
    strange: int
    audible: tuple[tuple[float, float], ...]


def place(sides: Sides, recorded: RecordedCall, *, is_mono: bool) -> RecoveredPlace | None:
    """Return the place of a recording's left and right side; None: it is nowhere in Twilio's."""
    truth = truth_of(recorded, is_mono=is_mono)
    offset = _offset(sides, truth)
    if offset is None:
        return None
    strange = 0
    audible = np.zeros(len(sides[0]), bool)
    for side, true in zip(map(_array, sides), map(_array, truth), strict=True):
        there = np.full(len(side), SILENCE, np.uint8)
        first, last = max(0, -offset), min(len(side), len(true) - offset)
        there[first:last] = true[first + offset : last + offset]
        strange += int(((side != there) & (side != SILENCE)).sum())
        audible |= side != SILENCE
    begins_at = recorded.recording.started_at + offset / SAMPLES_PER_MS
    return RecoveredPlace(begins_at, strange, tuple(_spans(audible, begins_at)))


def truth_of(recorded: RecordedCall, *, is_mono: bool) -> Sides:
    """Return what the left and the right side must have: with one channel everything is left."""
    if not is_mono:
        return recorded.customer, recorded.others
    return mixed(recorded.customer, recorded.others), bytes([SILENCE]) * len(recorded.customer)


def speech_ms(sent: Sequence[SentFrame], recorded: RecordedCall, origin: int) -> int:
    """Return for how long a media stream and Twilio's recording have the same sound at the same
    time. `origin`: when the voices of the call began (ms)."""
    common: set[int] = set()
    for frame in sent:
        number = number_of(frame.payload)
        at = (origin + number * FRAME_MS - recorded.recording.started_at) * SAMPLES_PER_MS
        sides = (recorded.customer, recorded.others)
        is_common = at >= 0 and any(
            side[at : at + FRAME_SAMPLES] == frame.payload for side in sides
        )
        if is_common and _is_loud(frame.payload):
            common.add(number)
    return len(common) * FRAME_MS


def captured_offset(sent: Sequence[SentFrame], started_at: float, origin: int) -> float:
    """Return how much later a media stream's recording has the call's voices than they were spoken
    (ms). `started_at`: of the recording; its sample 0 is the media stream's timestamp 0;
    `origin`: when the voices began. A busy machine sends late."""
    offsets = [
        started_at + frame.timestamp - (origin + number_of(frame.payload) * FRAME_MS)
        for frame in sent
    ]
    return median(offsets)


def _is_loud(payload: bytes) -> bool:
    return bool(((_array(payload) & 0x7F) <= LOUD).any())


def _offset(sides: Sides, truth: Sides) -> int | None:
    """Return at which sample of Twilio's recording the audio begins. Speech is looked for first."""
    for least in (PROBE // 2, 8):
        for side, true in zip(sides, truth, strict=True):
            for at in range(0, len(side) - PROBE + 1, PROBE):
                probe = side[at : at + PROBE]
                is_audible = PROBE - probe.count(SILENCE) >= least
                if is_audible and (found := true.find(probe)) >= 0:
                    return found - at
    return None


def _spans(audible: NDArray[np.bool_], begins_at: float) -> Iterator[tuple[float, float]]:
    """Yield the spans of audible samples; pauses shorter than a frame belong to them."""
    where = np.flatnonzero(audible)
    if not len(where):
        return
    breaks = np.flatnonzero(np.diff(where) > FRAME_SAMPLES)
    firsts = where[np.concatenate(([0], breaks + 1))]
    lasts = where[np.concatenate((breaks, [len(where) - 1]))]
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        yield begins_at + first / SAMPLES_PER_MS, begins_at + (last + 1) / SAMPLES_PER_MS


def _array(samples: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(samples, np.uint8)
