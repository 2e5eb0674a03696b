"""Send coded audio on many media streams at once, at Twilio's pace and with little CPU.

The handshake and all messages of the gateway go through websockets' Sans-I/O protocol. The frames
always have the same form, so they are written directly to the transport. They are masked with
zeros, which cost the receiver as much as any other mask. Like Twilio, this sender drops the frames
that the socket does not accept in time, and does not connect again.
"""

import asyncio
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from time import monotonic
from typing import cast
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.http11 import Response
from websockets.uri import parse_uri

from simulator.coded.frames import text
from simulator.coded.pacing import Pacer
from simulator.coded.sent import CodedStream
from simulator.expected import TRACKS
from simulator.media import OPEN_TIMEOUT_S, Credentials, clock, signature, started, timestamps
from simulator.script import Json, LegStatus
from simulator.world import MediaStream, StreamStatus, World, WorldLeg

SEND_BUFFER_BYTES = 32 * 1024
"""The kernel's buffer for each socket: about a second of audio. Frames in it are not dropped."""

CLOSE_S = 3.0
_HEAD = b'{"event":"media","sequenceNumber":"%d","media":{"track":"%s","chunk":"%d","timestamp":"'
_TAIL = b'"},"streamSid":"%s"}'


class CodedMedia:
    """All media streams of a run. `streams`: in the order in which they began; `send`: the `Sender`
    for `TwilioRest`."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self._numbers = count()
        self.streams: list[CodedStream] = []

    async def send(self, world: World, media_stream: MediaStream, credentials: Credentials) -> None:
        """Run a media stream to its end. Its `trouble` then says what went wrong."""
        leg = world.legs[media_stream.call_sid]
        coded = CodedStream(next(self._numbers), media_stream, line=leg.line)
        self.streams.append(coded)
        one = CodedSocket(coded, credentials, _Lasting(leg, media_stream))
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await connected(one, media_stream.url)
            media_stream.began_at = clock()
            await self._paced(one)
        except (OSError, TimeoutError) as error:
            media_stream.trouble = f"{type(error).__name__}: {error}"
        finally:
            one.abort()
        media_stream.status = StreamStatus.STOPPED
        media_stream.ended_at = media_stream.ended_at or clock()
        coded.over.set()

    async def _paced(self, one: "CodedSocket") -> None:
        self._pacer.add(one)
        try:
            await one.over.wait()
        finally:
            self._pacer.remove(one)
        if one.stopped:
            async with asyncio.timeout(CLOSE_S):
                await one.closed.wait()


@dataclass(slots=True)
class _Lasting:
    """A function that returns whether a media stream still runs. `over_at`: when it should have
    ended, by `time.monotonic`."""

    leg: WorldLeg
    media_stream: MediaStream
    over_at: float | None = None

    def __call__(self) -> bool:
        if self.leg.status is LegStatus.IN_PROGRESS and not self.media_stream.stopping:
            return True
        if self.over_at is None:
            self.over_at = monotonic()
        return 1000 * (monotonic() - self.over_at) < self.leg.line.stays_on_ms


async def connected(one: "CodedSocket", url: str) -> None:
    """Open the socket. Return after the handshake. Raise `OSError`."""
    parts = urlsplit(url)
    sock = socket.socket()
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, (parts.hostname or "", parts.port or 80))
        await loop.create_connection(lambda: one, sock=sock)
    except BaseException:
        sock.close()
        raise
    await one.opened


class CodedSocket(asyncio.Protocol):
    """One media stream's socket. `over` is set when it stops sending: it was stopped, or closed.

    `is_running` is called before each frame; False: send `stop`.
    """

    def __init__(
        self, coded: CodedStream, credentials: Credentials, is_running: Callable[[], bool]
    ) -> None:
        self._coded = coded
        self._media_stream = coded.media_stream
        self._account_sid = credentials.account_sid
        self._is_running = is_running
        self._websocket = ClientProtocol(parse_uri(self._media_stream.url))
        self._signature = signature(credentials.auth_token, self._media_stream.url)
        self._sequence = 0
        self._chunk = 0
        self._timestamps = timestamps(self._media_stream.sid)
        self._transport: asyncio.Transport | None = None
        self._full = False
        self._end_of_frame = _TAIL % self._media_stream.sid.encode()
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.over, self.closed = asyncio.Event(), asyncio.Event()
        self.stopped = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the handshake."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)
        request = self._websocket.connect()
        request.headers["User-Agent"] = "Twilio.TmeWs/1.0"
        request.headers["X-Twilio-Signature"] = self._signature
        self._websocket.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Handle the answer to the handshake, a ping, or a close frame."""
        self._websocket.receive_data(data)
        for event in self._websocket.events_received():
            if isinstance(event, Response) and not self.opened.done():
                self._answered(event)
        if self._websocket.handshake_exc and not self.opened.done():
            self.opened.set_exception(ConnectionError(str(self._websocket.handshake_exc)))
        self._flush()

    def eof_received(self) -> None:
        """Note that the other side sends no more."""
        self._websocket.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is closed, and why."""
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(f"closed in the handshake: {exc}"))
        if not self.stopped and self._media_stream.trouble is None:
            code = self._websocket.close_code
            self._media_stream.trouble = f"the socket was dropped ({code}): {exc}"
            self._coded.closed_at = monotonic()
        self.over.set()
        self.closed.set()

    def pause_writing(self) -> None:
        """Note that the kernel's buffer is full."""
        self._full = True

    def resume_writing(self) -> None:
        """Note that the kernel's buffer has space again."""
        self._full = False

    def turn(self) -> bool:
        """Send a frame on each track, or drop both. Return False if there is nothing more to send.
        Call this every 20 ms."""
        if self.over.is_set():
            return False
        if not self._is_running():
            self._stop()
            return False
        coded, number = self._coded, self._coded.turns
        if coded.began_at is None:
            coded.began_at = clock()
        coded.turns += 1
        coded.turned_at.append(monotonic())
        timestamp = next(self._timestamps)
        if number in coded.line.lost:
            self._sequence += len(TRACKS)
            return True
        if number in coded.line.silent:
            return True
        if self._full:
            coded.thrown_away.append(number)
            self._sequence += len(TRACKS)  # Twilio numbers frames before it drops them
            return True
        self._chunk += 1
        self._write(self._pair(number, timestamp))
        return True

    def abort(self) -> None:
        """Close the socket at once, in any state."""
        if self.opened.done() and not self.opened.cancelled():
            self.opened.exception()  # seen
        if self._transport is not None:
            self._transport.abort()

    def _pair(self, number: int, timestamp: int) -> bytes:
        parts = []
        for track in TRACKS:
            self._sequence += 1
            head = _HEAD % (self._sequence, track.encode(), self._chunk)
            audio = text(self._coded.number, track, number)
            message = b'%s%d","payload":"%s%s' % (head, timestamp, audio, self._end_of_frame)
            parts.append(b"\x81\xfe%b\0\0\0\0%b" % (len(message).to_bytes(2, "big"), message))
        return b"".join(parts)

    def _answered(self, response: Response) -> None:
        if response.status_code != 101:
            body = bytes(response.body or b"").decode(errors="replace").strip()
            self.opened.set_exception(ConnectionError(f"{response.status_code} {body}"))
            return
        self._message({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        self._numbered("start", started(self._media_stream, self._account_sid))
        self.opened.set_result(None)

    def _stop(self) -> None:
        self.stopped = True
        self._media_stream.ended_at = clock()
        ids = {"accountSid": self._account_sid, "callSid": self._media_stream.call_sid}
        self._numbered("stop", ids)
        self.over.set()

    def _numbered(self, event: str, body: Json) -> None:
        self._sequence += 1
        number, sid = str(self._sequence), self._media_stream.sid
        self._message({"event": event, "sequenceNumber": number, "streamSid": sid, event: body})

    def _message(self, message: Json) -> None:
        self._websocket.send_text(json.dumps(message).encode())
        self._flush()

    def _flush(self) -> None:
        for data in self._websocket.data_to_send():
            if data:
                self._write(data)
            elif self._transport is not None:
                self._transport.close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
