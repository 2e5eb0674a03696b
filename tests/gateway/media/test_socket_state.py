"""The transitions of a Media Streams socket."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from gateway.media.protocol import MediaSocket
from gateway.media.socket_state import SOCKET_TRANSITIONS, SocketState
from pipeline.transitions import may_follow
from tests.gateway.dialogue import ACCOUNT, connected, media, start, stop

Deed = Callable[[MediaSocket, int], object]

DEEDS: dict[str, Deed] = {
    "connected": lambda socket, now: socket.receive([connected()], now),
    "start": lambda socket, now: socket.receive([start()], now),
    "foreign start": lambda socket, now: socket.receive([start(accountSid="AC1")], now),
    "media": lambda socket, now: socket.receive([media("inbound", "20", b"\x00" * 160)], now),
    "rubbish": lambda socket, now: socket.receive(["{"], now),
    "stop": lambda socket, now: socket.receive([stop()], now),
    "all": lambda socket, now: socket.receive([start(), stop()], now),
    "lost": lambda socket, now: socket.lost(now, "dropped", ""),
    "violated": lambda socket, now: socket.violated("binary", now),
    "forget": lambda socket, now: socket.forget(),
    "not recorded": lambda socket, now: socket.not_to_be_recorded(now, "excluded"),
    "note_activity": lambda socket, now: socket.note_activity(now),
    "tick": lambda socket, now: socket.tick(now),
}


@given(
    st.lists(st.tuples(st.sampled_from(sorted(DEEDS)), st.sampled_from([0, 500, 5_000, 11_000])))
)
def test_each_transition_is_in_the_table(deeds: list[tuple[str, int]]) -> None:
    """For any calls in any order."""
    socket, now = MediaSocket("gateway-0", 7, ACCOUNT, 0), 0
    assert may_follow(SOCKET_TRANSITIONS, None, socket.state)
    for name, passed in deeds:
        now += passed
        before = socket.state
        DEEDS[name](socket, now)
        assert may_follow(SOCKET_TRANSITIONS, before, socket.state)


def test_each_row_of_the_table_happens() -> None:
    """It has none that a socket never makes."""
    made = {(None, MediaSocket("gateway-0", 7, ACCOUNT, 0).state)}
    for deeds in (["start", "stop"], ["lost"]):
        socket = MediaSocket("gateway-0", 7, ACCOUNT, 0)
        for name in deeds:
            before = socket.state
            DEEDS[name](socket, 0)
            made.add((before, socket.state))
    assert {(t.before, t.after) for t in SOCKET_TRANSITIONS} == made
    assert {SocketState.WAITING, SocketState.RUNNING, SocketState.DONE} == {m[1] for m in made}
