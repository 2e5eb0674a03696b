"""G.711 mu-law: convert linear samples to bytes and back.

A byte consists of a sign bit, 3 bits of segment and 4 bits of mantissa, all inverted (ITU-T G.711,
table 2a). The sample is biased by 132 (33 in the standard's 14 bits), so that the segment is the
position of its highest bit.
"""

from collections.abc import Iterable

SILENCE = 0xFF
BIAS = 132
CLIP = 32635


def encoded_sample(sample: int) -> int:
    """Return the mu-law byte of a signed 16-bit sample. Values out of range are clipped."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), CLIP) + BIAS
    segment = magnitude.bit_length() - 8
    mantissa = (magnitude >> (segment + 3)) & 0x0F
    return ~(sign | segment << 4 | mantissa) & 0xFF


def encoded(samples: Iterable[int]) -> bytes:
    """Return the mu-law bytes of signed 16-bit samples."""
    return bytes(encoded_sample(sample) for sample in samples)


def decoded_sample(code: int) -> int:
    """Return the signed 16-bit sample of a mu-law byte."""
    plain = ~code & 0xFF
    magnitude = ((plain & 0x0F) << 3) + BIAS << (plain >> 4 & 0x07)
    return BIAS - magnitude if plain & 0x80 else magnitude - BIAS
