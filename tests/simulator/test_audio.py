"""Mu-law, the voices' frames, and WAV reading."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.audio import FRAME_BYTES, Voice, frame, frames, number_of


@given(st.sampled_from(Voice), st.integers(0, 2**32 - 1), st.text(max_size=40))
def test_frames_hold_their_number(voice: Voice, number: int, call: str) -> None:
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
