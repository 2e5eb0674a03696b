"""WAV headers, read back by their own rules."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.media.wav import HEADER_SIZE, MAX_SAMPLES, header, interleave


def chunks(data: bytes) -> dict[bytes, tuple[int, bytes]]:
    """Return the content of the RIFF container: its declared size and its actual bytes."""
    found, at = {}, 12
    while at < len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        found[name] = (size, data[at + 8 : at + 8 + size])
        at += 8 + size
    return found


def test_the_header_says_mu_law_8_khz_two_channels():
    """Format 7 with its `fact` chunk; sizes that add up."""
    wav = header(3) + b"\x01\x02" * 3
    riff, size, kind = struct.unpack_from("<4sI4s", wav)
    assert (b"RIFF", len(wav) - 8, b"WAVE") == (riff, size, kind)
    parts = chunks(wav)
    assert [b"fmt ", b"fact", b"data"] == list(parts)
    assert (7, 2, 8_000, 16_000, 2, 8, 0) == struct.unpack("<HHIIHHH", parts[b"fmt "][1])
    assert (3,) == struct.unpack("<I", parts[b"fact"][1])
    assert (6, b"\x01\x02" * 3) == parts[b"data"]
    assert HEADER_SIZE == len(header(0))


def test_24_hours_fit_and_a_greater_size_is_refused():
    """1.4 GB of audio, and the limit of 32 bits."""
    day = 24 * 3_600 * 8_000
    assert day * 2 == struct.unpack_from("<I", header(day), HEADER_SIZE - 4)[0]
    header(MAX_SAMPLES)
    assert HEADER_SIZE + 2 * MAX_SAMPLES < 2**32 <= HEADER_SIZE + 2 * (MAX_SAMPLES + 1)
    with pytest.raises(ValueError, match="do not fit"):
        header(MAX_SAMPLES + 1)


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_interleaved_sides_come_apart_again(left, right):
    """The shorter one filled up with silence."""
    samples = max(len(left), len(right))
    pairs = interleave(left, right)
    assert left.ljust(samples, b"\xff") == pairs[0::2]
    assert right.ljust(samples, b"\xff") == pairs[1::2]
