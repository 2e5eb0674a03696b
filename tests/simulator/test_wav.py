"""WAV files."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.wav import NotWav, Wav, read_wav


def _wav(samples: bytes, *more: tuple[bytes, bytes]) -> bytes:
    form = struct.pack("<HHIIHHH", 7, 2, 8000, 16000, 2, 8, 0)
    chunks = b"".join(
        struct.pack("<4sI", name, len(body)) + body + b"\0" * (len(body) % 2)
        for name, body in ((b"fmt ", form), *more, (b"data", samples))
    )
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


@given(st.binary(max_size=300), st.binary(max_size=9))
def test_wav_is_read(samples: bytes, other: bytes) -> None:
    """Format and samples are found, with any other chunks in the file."""
    assert Wav(7, 2, 8000, 8, samples) == read_wav(_wav(samples, (b"fact", other)))


@given(st.integers(0, 60))
def test_a_torn_wav_is_refused(length: int) -> None:
    """A truncated file is not a WAV file."""
    with pytest.raises(NotWav):
        read_wav(_wav(b"1234567890123456")[:length])
