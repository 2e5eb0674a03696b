"""The gateway's load, in its own process: sockets that send audio at Twilio's pace.

Every socket sends one inbound and one outbound frame every 20 ms, each in its own write. The
sockets are spread over the 20 ms. Masks are zeros, which cost the server as much as any others. It
prints `{"began"}` when all sockets send, and `{"frames", "late_ms"}` when all have ended.
"""

import asyncio
import base64
import json
import os
import random
import struct
import sys
import time
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import uvloop

from simulator.media import signature

FRAME_S = 0.02
_PAYLOADS = tuple(base64.b64encode(os.urandom(160)).decode() for _ in range(64))
_CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"


@dataclass(frozen=True, slots=True)
class Load:
    """The requested load: for `seconds` after all sockets are open. `tag` keeps SIDs distinct."""

    url: str
    account_sid: str
    auth_token: str
    sockets: int
    seconds: float
    tag: str


class Socket(asyncio.Protocol):
    """One media stream of Twilio."""

    def __init__(self, load: Load, number: int) -> None:
        self._load = load
        self._sid = f"{load.tag}{number:028x}"
        self._frames = 0
        self._transport: asyncio.WriteTransport | None = None
        self._head = b""
        self.opened = asyncio.get_running_loop().create_future()
        self.closed = asyncio.get_running_loop().create_future()
        self._stopped = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the handshake."""
        self._transport = transport = cast("asyncio.WriteTransport", transport)
        parts = urlsplit(self._load.url)
        transport.write(
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
            "User-Agent: Twilio.TmeWs/1.0\r\n"
            f"X-Twilio-Signature: {signature(self._load.auth_token, self._load.url)}\r\n"
            "\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Take the answer to the handshake, or the close frame."""
        if self._stopped and self._transport is not None:
            self._transport.write(_CLOSE)
            self._transport.close()
        if not self.opened.done():
            self._head += data
            if b"\r\n\r\n" in self._head:
                self._answered(self._head.split(b"\r\n", 1)[0])

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of the connection."""
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionError("closed in the handshake"))
        if not self.closed.done():
            self.closed.set_result(None)

    def pair(self) -> None:
        """Send a frame on each track, as two messages."""
        for track in ("inbound", "outbound"):
            self._frames += 1
            number = (self._frames + 1) // 2
            self._send(
                f'{{"event":"media","sequenceNumber":"{self._frames + 1}","media":{{"track":'
                f'"{track}","chunk":"{number}","timestamp":"{number * 20 + 100}","payload":"'
                f'{_PAYLOADS[self._frames % 64]}"}},"streamSid":"MZ{self._sid}"}}'
            )

    def stop(self) -> int:
        """Send the stop message. Return the number of frames sent."""
        self._stopped = True
        self._send(f'{{"event":"stop","sequenceNumber":"{self._frames + 2}","stop":{{}}}}')
        return self._frames

    def _answered(self, status: bytes) -> None:
        if b" 101 " not in status:
            self.opened.set_exception(ConnectionError(status.decode()))
            return
        parameters = {"taskSid": f"WT{self._sid}", "generation": "1", "name": f"b-{self._sid}"}
        start = {
            "accountSid": self._load.account_sid,
            "streamSid": f"MZ{self._sid}",
            "callSid": f"CA{self._sid}",
            "tracks": ["inbound", "outbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": parameters,
        }
        self._send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        self._send(json.dumps({"event": "start", "sequenceNumber": "1", "start": start}))
        self.opened.set_result(None)

    def _send(self, text: str) -> None:
        data = text.encode()
        long = len(data) > 125
        size = struct.pack("!BH", 0xFE, len(data)) if long else bytes((0x80 | len(data),))
        assert self._transport is not None
        self._transport.write(b"\x81" + size + b"\0\0\0\0" + data)


async def open_all(load: Load) -> list[Socket]:
    """Open the sockets, one after the other."""
    parts = urlsplit(load.url)
    host, port = parts.hostname or "", parts.port or 0
    sockets = []
    for number in range(load.sockets):
        _, socket = await asyncio.get_running_loop().create_connection(
            lambda number=number: Socket(load, number),  # type: ignore[misc]
            host,
            port,
        )
        await socket.opened
        sockets.append(socket)
    return sockets


async def pace(sockets: list[Socket], seconds: float) -> float:
    """Send at Twilio's pace. Return the greatest delay behind it, in seconds."""
    order = random.sample(sockets, len(sockets))
    step = FRAME_S / len(order)
    began, turns, latest = time.monotonic(), round(seconds / step), 0.0
    for turn in range(turns):
        due = began + turn * step
        late = time.monotonic() - due
        if late < -0.001:
            await asyncio.sleep(-late)
        elif not turn % 8:
            await asyncio.sleep(0)
        latest = max(latest, late)
        order[turn % len(order)].pair()
    return latest


async def main(load: Load) -> None:
    """Open the sockets, send, stop, and print the result."""
    async with asyncio.timeout(20):
        sockets = await open_all(load)
    print(json.dumps({"began": time.monotonic()}), flush=True)
    latest = await pace(sockets, load.seconds)
    frames = sum(socket.stop() for socket in sockets)
    async with asyncio.timeout(10):
        await asyncio.gather(*(socket.closed for socket in sockets))
    print(json.dumps({"frames": frames, "late_ms": latest * 1000}), flush=True)


if __name__ == "__main__":
    uvloop.run(main(Load(**json.loads(sys.argv[1]))))
