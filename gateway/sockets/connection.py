"""One socket: reads its bytes, writes what is to be answered, ends it. Never waits for anything.

A socket is read when it is told to (`read`): while it stands at the door when there is something,
and from then on in turns (`gateway.sockets.turns`).
"""

import socket
from contextlib import suppress
from enum import Enum

from gateway.media.protocol import CloseSocket
from gateway.sessions import Session
from gateway.sockets.websocket import WebSocket

READ_BYTES = 64 * 1024
CLOSE_MS = 1_500

_buffer = bytearray(READ_BYTES)
_view = memoryview(_buffer)


class Got(Enum):
    """What a reading led to."""

    BYTES = "bytes"
    NOTHING = "nothing"
    END = "end"


class Connection:
    """A socket, its WebSocket, and, once that is open, the session on it.

    `closing_at`: the moment (ms) at which it is closed, however the other side behaves; None: none.
    """

    __slots__ = ("_socket", "closing_at", "session", "websocket")

    def __init__(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        with suppress(OSError):
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = accepted
        self.websocket = WebSocket()
        self.session: Session | None = None
        self.closing_at: int | None = None

    def fileno(self) -> int:
        """As the event loop wants it."""
        return self._socket.fileno()

    def read(self) -> tuple[Got, list[bytes]]:
        """Reads what is there, at most `READ_BYTES`; returns the text messages in it. Call `send`
        after BYTES, and `end` after END."""
        try:
            count = self._socket.recv_into(_buffer)
        except (BlockingIOError, InterruptedError):
            return Got.NOTHING, []
        except OSError:
            return Got.END, []
        if not count:
            return Got.END, []
        return Got.BYTES, self.websocket.receive(bytes(_view[:count]))

    def send(self) -> bool:
        """Sends what is to be sent. False: the other side does not take even that, or is gone."""
        for data in self.websocket.to_send():
            try:
                if data:
                    if self._socket.send(data) < len(data):
                        return False
                else:
                    self._socket.shutdown(socket.SHUT_WR)
            except OSError:
                return False
        return True

    def close(self, how: CloseSocket, now: int) -> bool:
        """Says goodbye; the other side has `CLOSE_MS` to do the same. False as of `send`."""
        self.websocket.close(how.code, how.reason)
        self.closing_at = now + CLOSE_MS
        return self.send()

    def ping(self) -> bool:
        """Send a ping. False as of `send`."""
        self.websocket.ping()
        return self.send()

    def is_overdue(self, now: int) -> bool:
        """Whether the time to close it is over; a clock that was set back ends it too."""
        return self.closing_at is not None and not 0 < self.closing_at - now <= CLOSE_MS

    def end(self) -> None:
        """Closes the socket."""
        self._socket.close()

    def how_it_ended(self) -> tuple[str, str]:
        """Reason and detail for `MediaStreamClosed`, where the socket ended before the stream."""
        sent, received = self.websocket.goodbyes()
        if self.session is not None and self.session.draining:
            return "drained", "the gateway was stopped"
        if sent is not None and sent.code in (1002, 1007, 1009):
            return "protocol-error", f"closed with {sent.code} {sent.reason}".strip()
        if received is not None:
            return "dropped", f"closed by the other side with {received.code}"
        return "dropped", "connection lost"
