"""How long a media stream was heard, and how much of it was sent."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.expected import SentFrame
from simulator.heard import lost_on_the_way, overlap_ms, sent_ms
from simulator.world import MediaStream

BEGAN = 1_700_000_000_000


def media_stream(frames: int, lasted: int) -> MediaStream:
    """A media stream of `lasted` ms on which so many frames of each track were sent."""
    sent = [
        SentFrame(track, 20 * n, bytes(160))
        for n in range(frames)
        for track in ("inbound", "outbound")
    ]
    return MediaStream(
        "MZ1", "CA1", "name", "ws://x", "both_tracks", {}, BEGAN, began_at=BEGAN,
        ended_at=BEGAN + lasted, sent=sent,
    )  # fmt: skip


@given(frames=st.integers(0, 300), lasted=st.integers(0, 8_000))
def test_what_was_sent_is_the_media_up_to_the_end(frames: int, lasted: int) -> None:
    """A sender in time sends all that the clock says; a late one only what its frames say."""
    ran = [media_stream(frames, lasted)]
    far = BEGAN - 5_000, BEGAN + 20_000
    assert lasted == overlap_ms(*far, ran)
    assert min(lasted, 20 * frames) == sent_ms(*far, ran)
    assert 0 == sent_ms(BEGAN + lasted, BEGAN + 20_000, ran)


def test_frames_lost_on_the_way_are_counted() -> None:
    """Those that Twilio did not create are none of them."""
    one = media_stream(100, 2_000)
    one.sent = [each for each in one.sent if each.timestamp not in (40, 60)]
    assert 4 == lost_on_the_way(one)
    one.not_sent = 4
    assert 0 == lost_on_the_way(one)
