"""The contract's audio rules, as the simulator's verifier applies them."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.expected import ExpectedAudio, SentFrame, expected_audio, inum_suffix

FRAMES = st.lists(
    st.builds(
        SentFrame,
        st.sampled_from(["inbound", "outbound"]),
        st.integers(0, 1000),
        st.binary(min_size=160, max_size=160),
    ),
    max_size=30,
)


def _frame(timestamp: int, fill: int, track: str = "inbound") -> SentFrame:
    return SentFrame(track, timestamp, bytes([fill]) * 160)


def _left(audio: ExpectedAudio) -> bytes:
    return audio.samples[0::2]


def test_first_frame_lies_at_its_timestamp() -> None:
    """The time before a track's first frame is silence and no loss; the other side is filled up."""
    audio = expected_audio([_frame(100, 1)])
    assert b"\xff" * 800 + b"\x01" * 160 == _left(audio)
    assert b"\xff" * 960 == audio.samples[1::2]
    assert (1, 0, 120) == (audio.received, audio.lost, audio.duration_ms)


def test_jitter_leaves_no_seam() -> None:
    """Frames up to 9 ms off follow without a seam."""
    audio = expected_audio([_frame(0, 1), _frame(18, 2), _frame(40, 3), _frame(69, 4)])
    assert b"".join(bytes([i]) * 160 for i in (1, 2, 3, 4)) == _left(audio)
    assert (4, 0) == (audio.received, audio.lost)


def test_gap_is_filled_and_counted() -> None:
    """10 ms missing are a loss of 1 frame, 60 ms of 3, with as much silence."""
    audio = expected_audio([_frame(0, 1), _frame(30, 2), _frame(110, 3)])
    silence = b"\xff"
    assert b"\1" * 160 + silence * 80 + b"\2" * 160 + silence * 480 + b"\3" * 160 == _left(audio)
    assert (3, 4) == (audio.received, audio.lost)


def test_what_comes_again_is_left_out() -> None:
    """The same timestamp again is a duplicate, another early one an overlap; neither is heard."""
    audio = expected_audio([_frame(0, 1), _frame(20, 2), _frame(0, 3), _frame(5, 4)])
    assert b"\1" * 160 + b"\2" * 160 == _left(audio)
    assert (2, 1, 1) == (audio.received, audio.duplicate, audio.overlap)


@given(FRAMES)
def test_every_frame_is_accounted_for(frames: list[SentFrame]) -> None:
    """Each frame is received, duplicate or overlap, and both sides are equally long."""
    audio = expected_audio(frames)
    assert len(frames) == audio.received + audio.duplicate + audio.overlap
    assert 0 == len(audio.samples) % 2


@given(FRAMES)
def test_what_was_heard_last_may_come_again(frames: list[SentFrame]) -> None:
    """A frame that is sent a second time right after itself changes nothing but the counts."""
    twice = [again for frame in frames for again in (frame, frame)]
    once, doubled = expected_audio(frames), expected_audio(twice)
    assert once.samples == doubled.samples
    assert (once.received, once.lost) == (doubled.received, doubled.lost)


@given(st.text(max_size=40))
def test_inum_suffix_has_8_digits(sid: str) -> None:
    """The INUM's second part is 8 decimal digits."""
    assert 8 == len(inum_suffix(sid))
    assert inum_suffix(sid).isdecimal()
