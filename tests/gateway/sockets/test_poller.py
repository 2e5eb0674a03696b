"""The sockets after their handshake, read in turns."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.admission.admission import Admission
from gateway.media.protocol import CloseSocket, SendPing
from gateway.metrics import CONNECTIONS
from gateway.sessions import MediaSessions
from gateway.sockets.connection import CLOSE_MS, Got, SocketConnection
from gateway.sockets.poller import Sockets
from gateway.sockets.turns import CYCLE_S
from gateway.sockets.websocket import Phase
from tests.virtual_time import virtual_ms, virtually


class Peer:
    """A connection. Its reads return `texts` in turn, then nothing. `ends`: then the end."""

    def __init__(self, *texts: bytes, ends: bool = False, error: Exception | None = None) -> None:
        self.websocket = SimpleNamespace(was_control=False, was_binary=False, phase=Phase.OPEN)
        self.session: Any = None
        self.closing_at: int | None = None
        self.takes_all = True
        self.sent: list[Any] = []
        self.is_ended = False
        self.reads: list[float] = []
        self._texts = list(texts)
        self._ends = ends
        self._error = error

    def read(self) -> tuple[Got, list[bytes]]:
        self.reads.append(asyncio.get_running_loop().time())
        if self._error is not None:
            raise self._error
        if self._texts:
            return Got.BYTES, [self._texts.pop(0)]
        return (Got.END if self._ends else Got.NOTHING), []

    def send(self) -> bool:
        return self.takes_all

    def ping(self) -> bool:
        self.sent.append("ping")
        return self.takes_all

    def close(self, how: CloseSocket, now: int) -> bool:
        self.sent.append(how)
        self.closing_at = now + CLOSE_MS
        return self.takes_all

    def is_overdue(self, now: int) -> bool:
        return self.closing_at is not None and now >= self.closing_at

    def end(self) -> None:
        assert not self.is_ended
        self.is_ended = True

    def how_it_ended(self) -> tuple[str, str]:
        return "dropped", "connection lost"


class Session:
    """The session of a socket."""

    draining = False


class Sessions:
    """Sessions that note their messages. `answers`: what to do after a text; `on_tick`: without."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.lost_ones: list[tuple[Any, str]] = []
        self.control_ones: list[Any] = []
        self.answers: dict[bytes, CloseSocket | SendPing] = {}
        self.on_tick: CloseSocket | SendPing | None = None
        self.not_to_be_recorded: dict[Any, CloseSocket] = {}

    def open(self, _: int, __: Any) -> Any:
        return Session()

    def receive(self, _: Any, texts: list[bytes], __: int) -> CloseSocket | SendPing | None:
        self.received += texts
        return self.answers.get(texts[-1])

    def received_binary(self, _: Any, __: int) -> CloseSocket:
        return CloseSocket(1008, "binary message")

    def received_control(self, session: Any, _: int) -> None:
        self.control_ones.append(session)

    def tick(self, _: Any, __: int) -> CloseSocket | SendPing | None:
        return self.on_tick

    def lost(self, session: Any, _: int, reason: str, __: str) -> None:
        self.lost_ones.append((session, reason))

    def end_not_to_be_recorded(self, _: int) -> dict[Any, CloseSocket]:
        return self.not_to_be_recorded


class Running:
    """A poller with sessions, in virtual time."""

    def __init__(self) -> None:
        self.sessions = Sessions()
        self.sockets = Sockets(cast("MediaSessions", self.sessions), virtual_ms)
        self._task = asyncio.create_task(self.sockets.keep_reading())

    def let_in(self, *peers: Peer, texts: tuple[bytes, ...] = ()) -> None:
        for peer in peers:
            self.sockets.let_in(cast("SocketConnection", peer), Admission(None), list(texts))

    def stop(self) -> None:
        self._task.cancel()


def play(scene: Any) -> None:
    """Run a scene with a poller."""

    async def run() -> None:
        running = Running()
        await scene(running)
        running.stop()

    virtually(run())


@pytest.fixture(autouse=True)
def _no_open_sockets() -> None:
    """The metric counts open sockets only."""
    CONNECTIONS.set(0)


def test_each_socket_is_read_once_in_a_cycle() -> None:
    """For any number of sockets, and evenly in time."""

    async def scene(running: Running) -> None:
        peers = [Peer() for _ in range(10)]
        running.let_in(*peers)
        await asyncio.sleep(50 * CYCLE_S)
        for peer in peers:
            assert 49 <= len(peer.reads) <= 51
            pauses = [b - a for a, b in zip(peer.reads, peer.reads[1:], strict=False)]
            assert all(pause == pytest.approx(CYCLE_S) for pause in pauses)

    play(scene)


def test_messages_of_the_handshake_come_first() -> None:
    """They were read before the socket was handed over."""

    async def scene(running: Running) -> None:
        running.let_in(Peer(b"second"), texts=(b"first",))
        await asyncio.sleep(1)
        assert [b"first", b"second"] == running.sessions.received

    play(scene)


def test_a_socket_that_ends_is_gone() -> None:
    """Its session is lost once. `idle` is set when it was the last one, and the metric is 0."""

    async def scene(running: Running) -> None:
        stays, goes = Peer(), Peer(b"x", ends=True)
        running.let_in(stays, goes)
        assert not running.sockets.idle.is_set()
        await asyncio.sleep(1)
        assert [(goes.session, "dropped")] == running.sessions.lost_ones
        assert (True, 1, 1) == (goes.is_ended, len(running.sockets), CONNECTIONS._value.get())
        running.sockets.end_all()
        assert running.sockets.idle.is_set()
        assert (0, 0) == (len(running.sockets), CONNECTIONS._value.get())
        reads = len(stays.reads)
        await asyncio.sleep(1)
        assert reads == len(stays.reads)

    play(scene)


def test_a_defect_in_one_session_ends_only_its_socket() -> None:
    """The others are read as before."""

    async def scene(running: Running) -> None:
        other, defect = Peer(b"x"), Peer(error=KeyError("defect"))
        running.let_in(defect, other)
        await asyncio.sleep(1)
        assert (True, False) == (defect.is_ended, other.is_ended)
        assert [b"x"] == running.sessions.received

    play(scene)


@pytest.mark.parametrize("how", [SendPing(), CloseSocket(1000, "stop")])
@pytest.mark.parametrize("takes_all", [True, False])
def test_the_session_s_answer_is_carried_out(how: CloseSocket | SendPing, takes_all: bool) -> None:
    """A peer that does not take it is disconnected."""

    async def scene(running: Running) -> None:
        peer = Peer(b"x")
        peer.takes_all = takes_all
        running.sessions.answers[b"x"] = how
        running.let_in(peer)
        await asyncio.sleep(CYCLE_S)
        assert ["ping" if isinstance(how, SendPing) else how] == peer.sent
        assert takes_all != peer.is_ended

    play(scene)


def test_a_closing_socket_has_a_time_limit() -> None:
    """It gets one close frame, and is ended when the peer does not answer in time."""

    async def scene(running: Running) -> None:
        peer = Peer(b"x", b"y", b"x")
        running.sessions.answers[b"x"] = CloseSocket(1000, "stop")
        running.let_in(peer)
        await asyncio.sleep(CLOSE_MS / 1000 - 0.1)
        assert ([CloseSocket(1000, "stop")], False) == (peer.sent, peer.is_ended)
        await asyncio.sleep(0.2)
        assert peer.is_ended

    play(scene)


def test_a_silent_socket_is_pinged_unless_it_is_closing() -> None:
    """The session says when."""

    async def scene(running: Running) -> None:
        open_one, closing = Peer(), Peer()
        closing.closing_at = virtual_ms() + 60_000
        running.sessions.on_tick = SendPing()
        running.let_in(open_one, closing)
        await asyncio.sleep(CYCLE_S)
        assert ("ping", []) == (open_one.sent[0], closing.sent)

    play(scene)


def test_a_pong_counts_once() -> None:
    """The mark is cleared when the session has it."""

    async def scene(running: Running) -> None:
        peer = Peer(b"x", b"y")
        peer.websocket.was_control = True
        running.let_in(peer)
        await asyncio.sleep(1)
        assert [peer.session] == running.sessions.control_ones

    play(scene)


def test_a_binary_message_closes_the_socket() -> None:
    """After the texts before it."""

    async def scene(running: Running) -> None:
        peer = Peer(b"x")
        peer.websocket.was_binary = True
        running.let_in(peer)
        await asyncio.sleep(CYCLE_S)
        assert [CloseSocket(1008, "binary message")] == peer.sent
        assert [b"x"] == running.sessions.received

    play(scene)


def test_only_calls_that_must_not_be_recorded_are_ended() -> None:
    """With the close frame that the sessions give."""

    async def scene(running: Running) -> None:
        kept, ended = Peer(), Peer()
        running.let_in(kept, ended)
        running.sockets.end_not_to_be_recorded()
        how = CloseSocket(1000, "not to be recorded")
        running.sessions.not_to_be_recorded = {ended.session: how}
        running.sockets.end_not_to_be_recorded()
        assert ([], [how]) == (kept.sent, ended.sent)

    play(scene)


def test_a_gateway_that_stops_closes_all_sockets() -> None:
    """They count as drained. A peer that takes no close frame is ended at once."""

    async def scene(running: Running) -> None:
        well, stuck = Peer(), Peer()
        stuck.takes_all = False
        running.let_in(well, stuck)
        running.sockets.close_all()
        assert [CloseSocket(1001, "going away")] == well.sent
        assert (True, True) == (well.session.draining, stuck.session.draining)
        assert (False, True) == (well.is_ended, stuck.is_ended)

    play(scene)
