"""One socket: read its bytes, write the answers, close it. No method blocks.

The caller decides when to `read`: during the handshake whenever the socket is readable, afterwards
in turns (`gateway.sockets.turns`).
"""

import socket
from contextlib import suppress
from enum import Enum

from gateway.media.protocol import CloseSocket
from gateway.sessions import MediaSession
from gateway.sockets.websocket import WebSocket

READ_BYTES = 64 * 1024
CLOSE_MS = 1_500

_buffer = bytearray(READ_BYTES)
_view = memoryview(_buffer)


class Got(Enum):
    """Result of a read."""

    BYTES = "bytes"
    NOTHING = "nothing"
    END = "end"


class SocketConnection:
    """A socket, its WebSocket, and, once that is open, the session on it.

    `closing_at`: the time (ms) at which the socket is closed even if the peer has not closed it;
    None if it is not closing.
    """

    __slots__ = ("_socket", "closing_at", "session", "websocket")

    def __init__(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        with suppress(OSError):
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = accepted
        self.websocket = WebSocket()
        self.session: MediaSession | None = None
        self.closing_at: int | None = None

    def fileno(self) -> int:
        """Return the file descriptor, for the event loop."""
        return self._socket.fileno()

    def read(self) -> tuple[Got, list[bytes]]:
        """Read up to `READ_BYTES` available bytes and return the text messages in them. Call `send`
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
        """Send the pending bytes. Return False if the peer does not take all of them or is gone."""
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
        """Send a close frame; the peer has `CLOSE_MS` to answer it. Return the result of `send`."""
        self.websocket.close(how.code, how.reason)
        self.closing_at = now + CLOSE_MS
        return self.send()

    def ping(self) -> bool:
        """Send a ping. Return the result of `send`."""
        self.websocket.ping()
        return self.send()

    def is_overdue(self, now: int) -> bool:
        """Return whether the time to close is over, or the clock was set back meanwhile."""
        return self.closing_at is not None and not 0 < self.closing_at - now <= CLOSE_MS

    def end(self) -> None:
        """Close the socket at once."""
        self._socket.close()

    def how_it_ended(self) -> tuple[str, str]:
        """Return reason and detail for `MediaStreamClosed`, for a socket that ended before its
        media stream did."""
        sent, received = self.websocket.goodbyes()
        if self.session is not None and self.session.draining:
            return "drained", "the gateway was stopped"
        if sent is not None and sent.code in (1002, 1007, 1009):
            return "protocol-error", f"closed with {sent.code} {sent.reason}".strip()
        if received is not None:
            return "dropped", f"closed by the other side with {received.code}"
        return "dropped", "connection lost"
