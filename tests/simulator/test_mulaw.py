"""Mu-law."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.mulaw import BIAS, encoded, encoded_sample

SAMPLES = st.integers(-32768, 32767)


def decoded_sample(byte: int) -> int:
    """Return the signed 16-bit sample of a mu-law byte."""
    bits = ~byte & 0xFF
    magnitude = (((bits & 0x0F) << 3) + BIAS << (bits >> 4 & 0x07)) - BIAS
    return -magnitude if bits & 0x80 else magnitude


@given(SAMPLES)
def test_encoding_keeps_a_sample_within_its_step(sample: int) -> None:
    """A decoded sample is off by at most half the step of its segment, plus the clipped part."""
    clipped = max(-32635, min(32635, sample))
    step = 8 << max(0, (abs(clipped) + 132).bit_length() - 8)
    assert abs(decoded_sample(encoded_sample(sample)) - clipped) <= step // 2


@given(st.integers(0, 255))
def test_each_byte_stands_for_itself(byte: int) -> None:
    """Encoding what a byte decodes to gives that byte; the two zeros give the positive one."""
    assert encoded_sample(decoded_sample(byte)) == (0xFF if byte == 0x7F else byte)


def test_known_points() -> None:
    """Silence, the greatest and the smallest sample have the bytes that G.711 gives them."""
    assert bytes([0xFF, 0x80, 0x00]) == encoded([0, 32767, -32768])
