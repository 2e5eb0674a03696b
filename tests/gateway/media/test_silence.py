"""Media streams on which nothing comes: pings, and the end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.protocol import CloseSocket, SendPing
from gateway.media.socket_state import SocketState
from pipeline.media.batch import frames
from schemas.records import MediaBatch, MediaStreamClosed
from tests.gateway.dialogue import connected, media
from tests.gateway.media.sockets import T0, closed, fresh, running


def test_a_socket_that_never_starts_is_closed():
    """After ten seconds."""
    protocol = fresh()
    protocol.receive([connected()], T0)
    assert [] == list(protocol.tick(T0 + 10_000))
    assert [CloseSocket(1008, "no start")] == list(protocol.tick(T0 + 10_001))
    assert [] == list(protocol.tick(T0 + 10_002))


def test_a_clock_that_is_corrected_does_not_keep_a_silent_socket():
    """The gateway's clock was an hour ahead until it was measured."""
    protocol = fresh()
    assert [CloseSocket(1008, "no start")] == list(protocol.tick(T0 - 3_600_000))


def ticked(protocol, first, last) -> list:
    """Return the outputs of a tick every 100 ms, from the first time to the last."""
    ticks = range(first, last + 1, 100)
    return [output for now in ticks for output in protocol.tick(now)]


def no_media(silence: int, **counts: int) -> MediaStreamClosed:
    return closed("no-media", f"nothing for {silence} s, and no answer to a ping", **counts)


def test_a_stream_without_frames_is_pinged_and_closed_if_nothing_answers():
    """From its start on; the end states the reason, and is no violation."""
    protocol = running()
    assert [] == ticked(protocol, T0, T0 + 4_900)
    assert [SendPing()] == ticked(protocol, T0 + 5_000, T0 + 9_900)
    assert [no_media(10, at=T0 + 10_000), CloseSocket(1011, "no media")] == ticked(
        protocol, T0 + 10_000, T0 + 11_000
    )


@pytest.mark.parametrize("sign", ["pong", "frame", "useless frame", "mark"])
def test_a_silent_stream_stays_while_there_are_signs_of_life(sign):
    """An answer to the ping, or anything else that comes; it is pinged again every 5 s."""
    protocol = running()
    texts = {
        "frame": media("inbound", "20", bytes(160)),
        "useless frame": media("inbound", "20", "%%%"),
        "mark": '{"event": "mark"}',
    }
    for start_at in range(T0, T0 + 120_000, 6_000):
        pings = [o for o in ticked(protocol, start_at, start_at + 5_900) if type(o) is SendPing]
        assert [SendPing()] == pings
        if sign == "pong":
            protocol.note_activity(start_at + 5_950)
        else:
            protocol.receive([texts[sign]], start_at + 5_950)
    assert SocketState.RUNNING is protocol.state
    protocol.receive([media("inbound", "120000", bytes(160))], T0 + 120_000)
    assert 120_000 == list(frames(protocol.lost(T0 + 120_000, "dropped", "")[0]))[-1].timestamp


def test_a_ping_does_not_hold_back_audio():
    """Collected audio is published in time, also while the answer to a ping is outstanding."""
    protocol = running()
    ticked(protocol, T0, T0 + 2_950)
    protocol.receive([media("inbound", "20", bytes(160))], T0 + 3_000)
    outputs = ticked(protocol, T0 + 3_050, T0 + 13_050)
    kinds = [MediaBatch, SendPing, MediaStreamClosed, CloseSocket]
    assert kinds == [type(output) for output in outputs]


@given(
    st.lists(
        st.tuples(st.sampled_from(["frame", "pong", "tick", "tick"]), st.integers(-3_000, 7_000))
    )
)
def test_time_in_which_the_sockets_were_not_read_is_no_silence(steps):
    """After ticks more than a second apart, or after the clock was set, the five seconds until the
    ping and those after it begin again, as after every sign of life."""
    protocol, now, ticked_at, active_at = running(), T0, T0, T0
    pinged_at = None
    for kind, pause in [*steps, *[("tick", 500)] * 40]:
        now += pause
        if kind != "tick":
            if kind == "frame":
                protocol.receive([media("inbound", "20", b"\x00" * 160)], now)
            else:
                protocol.note_activity(now)
            active_at, pinged_at = now, None
            continue
        if not 0 <= now - ticked_at <= 1_000:
            active_at, pinged_at = now, None
        ticked_at = now
        found = {type(output) for output in protocol.tick(now)} - {MediaBatch}
        if pinged_at is None:
            must_ping = now - active_at >= 5_000
            assert ({SendPing} if must_ping else set()) == found
            pinged_at = now if must_ping else None
        else:
            over = now - pinged_at >= 5_000
            assert ({MediaStreamClosed, CloseSocket} if over else set()) == found
            if over:
                return
    raise AssertionError("never closed")
