"""Coded audio: every frame identifies itself."""

from base64 import b64decode
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from simulator.coded.frames import FRAME_BYTES, OUTBOUND_BIT, Code, code_of, codes_in, payload, text
from simulator.expected import INBOUND, OUTBOUND, TRACKS

NUMBERS = st.integers(0, OUTBOUND_BIT - 1)


@given(st.integers(0, 2**32 - 1), st.sampled_from(TRACKS), NUMBERS)
def test_a_frame_holds_its_own_coordinates(stream: int, track: str, number: int) -> None:
    """160 bytes, none of them silence beyond its head, and the same in base64."""
    made = payload(stream, track, number)
    assert FRAME_BYTES == len(made)
    assert made == b64decode(text(stream, track, number))
    assert Code(stream, track, number) == code_of(made)


@given(st.binary(min_size=FRAME_BYTES, max_size=FRAME_BYTES))
def test_other_bytes_are_no_frame(samples: bytes) -> None:
    """Nor is a frame in which one byte is another."""
    assert code_of(samples) is None
    frame = bytearray(payload(7, INBOUND, 8))
    frame[samples[0] % FRAME_BYTES] ^= samples[1] | 1
    assert code_of(bytes(frame)) is None


def test_frames_are_found_wherever_they_lie() -> None:
    """At odd places, amid silence, cut off at the end."""
    one, other = payload(1, INBOUND, 5), payload(2, OUTBOUND, 6)
    side = b"\xff" * 3 + one + b"\xff" * 50 + other + one[:159]
    expected = [(3, Code(1, INBOUND, 5)), (213, Code(2, OUTBOUND, 6))]
    assert expected == codes_in(side)


def test_the_tail_of_a_frame_is_drawn_by_its_head() -> None:
    """So that frames of any two media streams differ nearly everywhere."""
    random = Random(1)
    tails = {payload(random.getrandbits(31), INBOUND, n)[12:] for n in range(500)}
    assert 32 < len(tails)
