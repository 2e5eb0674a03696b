"""WAV with two channels of mu-law at 8 kHz: RIFF, `fmt ` for format 7, `fact`, `data`
(Microsoft, "New Multimedia Data Types and Data Techniques", 1994)."""

import struct

SAMPLE_RATE = 8_000
CHANNELS = 2
SILENCE = b"\xff"
"""A mu-law sample of silence."""

HEADER_SIZE = 58
MAX_SAMPLES = (2**32 - 1 - HEADER_SIZE) // CHANNELS
"""The most samples per channel that a header can describe: 74 hours."""

_MU_LAW = 7
_HEADER = struct.Struct("<4sI4s 4sIHHIIHHH 4sII 4sI")


def header(samples: int) -> bytes:
    """Return the header of a file with `samples` samples in each channel.

    Exactly `samples` pairs of bytes, left before right, must follow. Raise `ValueError` if a WAV
    file cannot hold that many.
    """
    if not 0 <= samples <= MAX_SAMPLES:
        raise ValueError(f"{samples} samples do not fit a WAV file")
    size = samples * CHANNELS
    return _HEADER.pack(
        *(b"RIFF", HEADER_SIZE - 8 + size, b"WAVE"),
        *(b"fmt ", 18, _MU_LAW, CHANNELS, SAMPLE_RATE, SAMPLE_RATE * CHANNELS, CHANNELS, 8, 0),
        *(b"fact", 4, samples),
        *(b"data", size),
    )


def interleave(left: bytes | bytearray, right: bytes | bytearray) -> bytearray:
    """Return pairs of samples, left before right. The shorter side is filled up with silence."""
    samples = max(len(left), len(right))
    equal = len(left) == len(right)
    pairs = bytearray(samples * CHANNELS) if equal else bytearray(SILENCE) * (samples * CHANNELS)
    pairs[0 : 2 * len(left) : 2] = left
    pairs[1 : 2 * len(right) : 2] = right
    return pairs
