"""The listening port and the handshakes: accept sockets, check signature and ticket, and refuse the
sockets or hand them on."""

import asyncio
import http
import resource
import socket
import time
from collections.abc import Callable
from typing import assert_never

import structlog

from gateway.admission.admission import Admission, Entrance, HandshakeDenied
from gateway.admission.signature import Verdict
from gateway.metrics import HANDSHAKES_REFUSED
from gateway.sockets.connection import Got, SocketConnection
from gateway.sockets.handshakes import HandshakeReports
from gateway.sockets.pending_handshakes import Door
from gateway.sockets.websocket import Phase, Refusal

log = structlog.get_logger(__name__)

BACKLOG = 1024
ACCEPTED_AT_ONCE = 64
SPARE_FILES = 128
"""File descriptors reserved for everything but Media Streams sockets."""
REST_S = 0.5

LetIn = Callable[[SocketConnection, Admission, list[bytes]], None]
"""Takes over a socket after its handshake, with the messages that came right after that."""


class Reception:
    """The port and the sockets with a pending handshake. `count`: number of open sockets after the
    handshake. `is_full`: whether there is no space for the audio of another media stream."""

    def __init__(
        self,
        entrance: Entrance,
        let_in: LetIn,
        reports: HandshakeReports,
        *,
        count: Callable[[], int],
        is_full: Callable[[], bool],
    ) -> None:
        self._entrance = entrance
        self._let_in = let_in
        self._reports = reports
        self._count = count
        self._is_full = is_full
        self._door: Door[SocketConnection] = Door()
        self._most = _most_files() - SPARE_FILES
        self._listening: socket.socket | None = None

    def accept_from(self, listening: socket.socket) -> None:
        """Start to accept the connections of a listening socket."""
        listening.setblocking(False)
        self._listening = listening
        asyncio.get_running_loop().add_reader(listening.fileno(), self._accept)

    def close_port(self) -> None:
        """Accept the connections that are in the backlog, which closing would reset, and close the
        port."""
        if self._listening is not None:
            self._accept(most=BACKLOG)
            asyncio.get_running_loop().remove_reader(self._listening.fileno())
            self._listening.close()
            self._listening = None

    def sweep(self) -> None:
        """Close the sockets past their deadline. Call it often."""
        for connection in self._door.overdue(time.monotonic()):
            if connection.websocket.phase is Phase.HANDSHAKE:
                HANDSHAKES_REFUSED.labels("no-handshake").inc()
            self._gone(connection)

    def close(self) -> None:
        """Close the port and all sockets with a pending handshake."""
        self.close_port()
        for connection in self._door.all():
            self._gone(connection)

    def _accept(self, most: int = ACCEPTED_AT_ONCE) -> None:
        for _ in range(most):
            if self._listening is None:
                return
            try:
                accepted, address = self._listening.accept()
            except BlockingIOError:
                return
            except ConnectionError:  # gone before it was accepted
                continue
            except OSError as error:
                self._rest(self._listening, error)
                return
            self._came(accepted, str(address[0]))

    def _rest(self, listening: socket.socket, error: OSError) -> None:
        """Pause accepting. Otherwise the loop would retry without a pause, for example while no
        file descriptor is free."""
        log.error("cannot accept sockets; trying again soon", error=repr(error))
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening.fileno())
        loop.call_later(REST_S, self._accept_again)

    def _accept_again(self) -> None:
        if self._listening is not None:
            self.accept_from(self._listening)

    def _came(self, accepted: socket.socket, address: str) -> None:
        if len(self._door) + self._count() >= self._most:
            HANDSHAKES_REFUSED.labels("too-many-sockets").inc()
            accepted.close()
            return
        connection = SocketConnection(accepted)
        turned_away = self._door.came(connection, address, time.monotonic())
        if turned_away is not None:
            HANDSHAKES_REFUSED.labels("too-many-at-the-door").inc()
            self._gone(turned_away)
        asyncio.get_running_loop().add_reader(accepted.fileno(), self._read, connection)

    def _read(self, connection: SocketConnection) -> None:
        got, _ = connection.read()
        match got:
            case Got.NOTHING:
                return
            case Got.END:
                self._gone(connection)
                return
            case Got.BYTES:
                pass
            case _:
                assert_never(got)
        websocket = connection.websocket
        if websocket.phase is Phase.HANDSHAKE and websocket.request is not None:
            self._answer(connection)
        elif websocket.phase is Phase.ENDED:
            self._refused(connection, "no-handshake")

    def _answer(self, connection: SocketConnection) -> None:
        request = connection.websocket.request
        assert request is not None
        signatures = request.headers.get_all("X-Twilio-Signature")
        judged = self._entrance.judge(request.path, signatures, full=self._is_full())
        if isinstance(judged, HandshakeDenied):
            self._reports.refused(judged)
            connection.websocket.answer(_refusal(judged.verdict))
            self._refused(connection, judged.verdict.value)
            return
        texts = connection.websocket.answer(None)
        if connection.websocket.phase is Phase.ENDED:
            self._refused(connection, "no-websocket")
        elif not connection.send():
            self._gone(connection)
        else:
            self._reports.accepted(judged)
            self._leave(connection)
            self._let_in(connection, judged, texts)

    def _refused(self, connection: SocketConnection, why: str) -> None:
        if connection in self._door:
            HANDSHAKES_REFUSED.labels(why).inc()
            self._door.refused(connection, time.monotonic())
            if not connection.send():
                self._gone(connection)

    def _leave(self, connection: SocketConnection) -> None:
        asyncio.get_running_loop().remove_reader(connection.fileno())
        self._door.left(connection)

    def _gone(self, connection: SocketConnection) -> None:
        self._leave(connection)
        connection.end()


def _refusal(verdict: Verdict) -> Refusal:
    full = verdict is Verdict.FULL
    status = http.HTTPStatus.SERVICE_UNAVAILABLE if full else http.HTTPStatus.FORBIDDEN
    return status, f"{verdict.value}\n"


def _most_files() -> int:
    """Raise this process's limit of open files as far as allowed, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1_000_000
