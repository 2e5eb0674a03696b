"""The payloads of WebSocket frames."""

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode, apply_mask

from gateway.sockets.frames import plain_texts


@given(st.lists(st.binary(max_size=300), max_size=6), st.integers(0, 50))
def test_plain_texts_are_cut_off_and_the_rest_stays(payloads, short):
    """As many as are whole."""
    frames = [Frame(Opcode.TEXT, p).serialize(mask=True) for p in payloads]
    data = b"".join(frames)
    data = data[: len(data) - short] if short < len(data) else data
    found, rest = plain_texts(data, 1_000)
    complete = 0
    while len(b"".join(frames[: complete + 1])) <= len(data) and complete < len(frames):
        complete += 1
    assert payloads[:complete] == found
    assert len(b"".join(frames[:complete])) == rest


def test_unmasking_is_done_in_c():
    """In Python it would cost a hundred times as much."""
    assert "built-in" in repr(apply_mask)
