"""The sockets after their handshake: read them in turns, and close them.

No asyncio transport is used: unread data waits in the kernel, and data that is read is handled at
once. A peer that does not read its answers is disconnected.
"""

import asyncio
from collections.abc import Callable

import structlog

from gateway.admission.admission import Admission
from gateway.media.protocol import CloseSocket, SendPing
from gateway.metrics import CONNECTIONS
from gateway.sessions import MediaSessions
from gateway.sockets.connection import CLOSE_MS, Got, SocketConnection
from gateway.sockets.turns import CYCLE_S, TURNS, Turns
from gateway.sockets.websocket import Phase

log = structlog.get_logger(__name__)

TURN_S = CYCLE_S / TURNS


class Sockets:
    """All sockets of this process with their sessions. `idle` is set while there are none. `clock`
    returns log time in ms."""

    def __init__(self, sessions: MediaSessions, clock: Callable[[], int]) -> None:
        self._sessions = sessions
        self._clock = clock
        self._turns: Turns[SocketConnection] = Turns()
        self.idle = asyncio.Event()
        self.idle.set()
        self._busy = asyncio.Event()

    def __len__(self) -> int:
        return len(self._turns)

    def let_in(
        self, connection: SocketConnection, admission: Admission, texts: list[bytes]
    ) -> None:
        """Take over a socket after its handshake. `texts`: messages that came right after that."""
        now = self._clock()
        connection.session = self._sessions.open(now, admission.ticket)
        self._turns.add(connection)
        self.idle.clear()
        self._busy.set()
        CONNECTIONS.inc()
        if texts:
            self._received(connection, texts, now)

    async def keep_reading(self) -> None:
        """Read all sockets in turns, until cancelled. If turns take too long, the next ones follow
        at once, to make up for at most one cycle."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await self._busy.wait()
            now = self._clock()
            for connection in self._turns.turn():
                self._take(connection, now)
            due = max(due + TURN_S, loop.time() - CYCLE_S)
            await asyncio.sleep(max(0.0, due - loop.time()))

    def end_not_to_be_recorded(self) -> None:
        """Close the sockets of calls that must not be recorded, if they are due. Call it often."""
        now = self._clock()
        ended = self._sessions.end_not_to_be_recorded(now)
        for connection in self._turns if ended else ():
            if connection.session in ended:
                self._act(connection, ended[connection.session], now)

    def close_all(self) -> None:
        """Close all sockets with a close frame (1001). `idle` is set when all are gone."""
        now = self._clock()
        for connection in self._turns:
            assert connection.session is not None
            connection.session.draining = True
            if not connection.close(CloseSocket(1001, "going away"), now):
                self._end(connection, now)

    def end_all(self) -> None:
        """Close all sockets at once, without waiting for the peers."""
        for connection in self._turns:
            self._end(connection, self._clock())

    def _take(self, connection: SocketConnection, now: int) -> None:
        try:
            self._read(connection, now)
        except Exception:  # a bug must not end the other sockets too
            log.exception("socket failed")
            self._end(connection, now)

    def _read(self, connection: SocketConnection, now: int) -> None:
        got, texts = connection.read()
        if got is Got.END:
            self._end(connection, now)
        elif got is Got.BYTES:
            self._received(connection, texts, now)
        elif connection.closing_at is None:
            assert connection.session is not None
            how = self._sessions.tick(connection.session, now)
            if how is not None:
                self._act(connection, how, now)
        elif connection.is_overdue(now):
            self._end(connection, now)

    def _received(self, connection: SocketConnection, texts: list[bytes], now: int) -> None:
        session, websocket = connection.session, connection.websocket
        assert session is not None
        if websocket.was_control:
            websocket.was_control = False
            self._sessions.received_control(session, now)
        how = self._sessions.receive(session, texts, now) if texts else None
        if how is None and websocket.was_binary and connection.closing_at is None:
            how = self._sessions.received_binary(session, now)
        if how is not None:
            self._act(connection, how, now)
        elif not connection.send() or connection.is_overdue(now):
            self._end(connection, now)
        elif connection.closing_at is None and websocket.phase is Phase.ENDED:
            connection.closing_at = now + CLOSE_MS
            self._sessions.lost(session, now, *connection.how_it_ended())

    def _act(self, connection: SocketConnection, how: CloseSocket | SendPing, now: int) -> None:
        if connection.closing_at is not None:
            return
        sent = connection.ping() if isinstance(how, SendPing) else connection.close(how, now)
        if not sent:
            self._end(connection, now)

    def _end(self, connection: SocketConnection, now: int) -> None:
        if connection not in self._turns:
            return
        assert connection.session is not None
        self._turns.remove(connection)
        connection.end()
        self._sessions.lost(connection.session, now, *connection.how_it_ended())
        CONNECTIONS.dec()
        if not self._turns:
            self.idle.set()
            self._busy.clear()
