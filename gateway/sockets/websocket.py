"""One WebSocket without its socket (Sans-I/O): handshake, messages, pings, close.

The `ServerProtocol` of `websockets` handles everything except whole text messages, which
`frames.py` takes out of the data first. `ServerProtocol` gets one whole frame at a time, so it
never holds part of one, and `frames.py` can parse the data after that frame.
"""

import http
import logging
from enum import StrEnum

from websockets.frames import BINARY, CLOSE, CONT, TEXT, Close, Frame
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from gateway.sockets.frames import plain_texts, whole_frame
from pipeline.transitions import Transition

MAX_MESSAGE_BYTES = 64 * 1024
MAX_REQUEST_BYTES = 16 * 1024
_END_OF_REQUEST = b"\r\n\r\n"

Refusal = tuple[http.HTTPStatus, str]

_QUIET = logging.getLogger("flexcapture.websockets")
_QUIET.setLevel(logging.CRITICAL)  # faults of strangers are counted; they must not fill the log


class Phase(StrEnum):
    """The phase of a WebSocket. ENDED: it was refused, has failed, or is closed by both sides; no
    received bytes are read any more."""

    HANDSHAKE = "handshake"
    OPEN = "open"
    ENDED = "ended"


PHASE_TRANSITIONS = (
    Transition(None, Phase.HANDSHAKE, "a connection is accepted"),
    Transition(Phase.HANDSHAKE, Phase.OPEN, "the request is accepted"),
    Transition(Phase.HANDSHAKE, Phase.ENDED, "the request is refused, or no HTTP"),
    Transition(Phase.OPEN, Phase.ENDED, "closed by both sides, or a protocol error"),
)


class WebSocket:
    """The server's side of one connection.

    `request`: the handshake, once it is complete; call `answer` then. `was_binary`: the peer sent a
    binary message; no text after it is returned. `was_control`: a ping or pong arrived; the caller
    clears it. After `receive`, `answer`, `ping` and `close`, send the bytes that `to_send` returns.
    """

    __slots__ = ("_parts", "_protocol", "_rest", "phase", "request", "was_binary", "was_control")

    def __init__(self) -> None:
        self._protocol = ServerProtocol(max_size=MAX_MESSAGE_BYTES, logger=_QUIET)
        self._rest = b""
        self._parts: list[bytes] | None = None
        self.request: Request | None = None
        self.phase = Phase.HANDSHAKE
        self.was_binary = False
        self.was_control = False

    def receive(self, data: bytes) -> list[bytes]:
        """Handle received bytes. Return the text messages that are now complete."""
        if self.phase is Phase.ENDED:
            return []
        if self._rest:
            data, self._rest = self._rest + data, b""
        if self.phase is Phase.HANDSHAKE:
            self._rest = self._requested(data)
            return []
        texts: list[bytes] = []
        if self._parts is None:
            texts, start = plain_texts(data, MAX_MESSAGE_BYTES)
            data = data[start:]
        if data:
            self._unusual(data, texts)
        return texts

    def answer(self, refusal: Refusal | None) -> list[bytes]:
        """Refuse the `request`, or accept it if it asks for a WebSocket. Return the text messages
        that came right after it."""
        assert self.request is not None
        protocol, rest = self._protocol, self._rest
        response = protocol.reject(*refusal) if refusal else protocol.accept(self.request)
        protocol.send_response(response)
        self._rest = b""
        self.phase = Phase.OPEN if protocol.state is OPEN else Phase.ENDED
        return self.receive(rest) if rest else []

    def ping(self) -> None:
        """Send a ping, if the connection is open. Call `to_send` afterwards."""
        if self._protocol.state is OPEN:
            self._protocol.send_ping(b"")

    def close(self, code: int, reason: str) -> None:
        """Send a close frame, if the connection is open. Call `to_send` afterwards."""
        if self._protocol.state is OPEN:
            self._protocol.send_close(code, reason)

    def to_send(self) -> list[bytes]:
        """Return the bytes to send. Empty bytes: shut down the sending side."""
        return self._protocol.data_to_send()

    def goodbyes(self) -> tuple[Close | None, Close | None]:
        """Return the close frames sent and received, each None if there was none."""
        return self._protocol.close_sent, self._protocol.close_rcvd

    def _requested(self, data: bytes) -> bytes:
        """Take the request off the data, once it is complete. Return the rest of the data."""
        if self.request is not None:
            return data
        protocol = self._protocol
        head, separator, rest = data.partition(_END_OF_REQUEST)
        if len(head) > MAX_REQUEST_BYTES:
            status = http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            protocol.send_response(protocol.reject(status, "request too large\n"))
            self.phase = Phase.ENDED
            return b""
        if not separator:
            return data
        protocol.receive_data(head + separator)
        events = protocol.events_received()
        if events:
            assert isinstance(events[0], Request)
            self.request = events[0]
        else:  # no HTTP, or beyond a limit of `websockets`
            self.phase = Phase.ENDED
        return rest

    def _unusual(self, data: bytes, texts: list[bytes]) -> None:
        """Let `ServerProtocol` handle the frames that are no whole text messages, one at a time."""
        while data and self.phase is Phase.OPEN and not self.was_binary:
            size = whole_frame(data, MAX_MESSAGE_BYTES)
            if size is None:
                self._rest = data
                return
            self._protocol.receive_data(data[:size])
            data = data[size:]
            for event in self._protocol.events_received():
                assert isinstance(event, Frame)
                self._frame(event, texts)
            if self._protocol.eof_sent:
                self.phase = Phase.ENDED
            elif self._parts is None and not self.was_binary:
                more, start = plain_texts(data, MAX_MESSAGE_BYTES)
                texts += more
                data = data[start:]

    def _frame(self, frame: Frame, texts: list[bytes]) -> None:
        if frame.opcode is BINARY:
            self.was_binary = True
        elif frame.opcode is TEXT:
            self._parts = []
        elif frame.opcode is not CONT:  # pings are answered, a close is echoed
            self.was_control |= frame.opcode is not CLOSE
            return
        if self._parts is not None:
            self._parts.append(bytes(frame.data))
            if frame.fin:
                texts.append(b"".join(self._parts))
                self._parts = None
