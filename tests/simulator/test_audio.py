"""Mu-law, the voices' frames, and WAV reading."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.audio import FRAME_BYTES, Voice, frame, frames, number_of
from simulator.mulaw import BIAS, encoded, encoded_sample
from simulator.wav import NotWav, Wav, read_wav

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


@given(st.sampled_from(Voice), st.integers(0, 2**32 - 1), st.text(max_size=40))
def test_frames_tell_their_number(voice: Voice, number: int, call: str) -> None:
    """A frame is 160 bytes, carries its number, and is the same whenever it is asked for."""
    made = frame(call, voice, number)
    assert (FRAME_BYTES, number) == (len(made), number_of(made))
    assert made == frame(call, voice, number)


@given(st.sampled_from(Voice), st.integers(0, 2**32 - 400), st.integers(0, 400))
def test_many_frames_are_those_that_are_made_singly(voice: Voice, first: int, count: int) -> None:
    """To the byte."""
    numbers = range(first, first + count)
    assert b"".join(frame("call", voice, n) for n in numbers) == frames("call", voice, numbers)


def test_voices_differ() -> None:
    """Customer, agents, outsiders and hold music sound different in one call."""
    heard = {frame("call", voice, 90)[40:] for voice in Voice if voice is not Voice.CUSTOMER}
    assert len(Voice) - 1 == len(heard)


def _wav(samples: bytes, *more: tuple[bytes, bytes]) -> bytes:
    form = struct.pack("<HHIIHHH", 7, 2, 8000, 16000, 2, 8, 0)
    chunks = b"".join(
        struct.pack("<4sI", name, len(body)) + body + b"\0" * (len(body) % 2)
        for name, body in ((b"fmt ", form), *more, (b"data", samples))
    )
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


@given(st.binary(max_size=300), st.binary(max_size=9))
def test_wav_is_read(samples: bytes, other: bytes) -> None:
    """Format and samples are found, whatever other chunks there are."""
    assert Wav(7, 2, 8000, 8, samples) == read_wav(_wav(samples, (b"fact", other)))


@given(st.integers(0, 60))
def test_a_torn_wav_is_refused(length: int) -> None:
    """A file that is cut off is no WAV file."""
    with pytest.raises(NotWav):
        read_wav(_wav(b"1234567890123456")[:length])
