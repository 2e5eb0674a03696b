"""Peers that do what no media stream of Twilio's does, byte by byte."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from simulator.media import signature
from simulator.world import MediaStream
from tests.integration.lone_gateway import CREDENTIALS, PATIENCE_S, LoneGateway

STRANGER = ("127.0.0.9", 0)
"""The source address of hostile peers: limits for each address must not affect other peers."""

TEXT, BINARY, CLOSE, PING, CONTINUED = 0x1, 0x2, 0x8, 0x9, 0x0
KEY = b64encode(bytes(16)).decode()


def frame(
    opcode: int,
    data: bytes = b"",
    *,
    fin: bool = True,
    mask: bool = True,
    reserved: int = 0,
    declared: int | None = None,
) -> bytes:
    """A WebSocket frame, masked with zeros. `reserved`: bits RSV1 (4) to RSV3 (1); `declared`: the
    length that it claims to have."""
    length = len(data) if declared is None else declared
    masked = 0x80 * mask
    if length < 126:
        size = bytes([masked | length])
    elif length < 2**16:
        size = bytes([masked | 126]) + length.to_bytes(2, "big")
    else:
        size = bytes([masked | 127]) + length.to_bytes(8, "big")
    return bytes([0x80 * fin | reserved << 4 | opcode]) + size + bytes(4 * mask) + data


class Peer:
    """A TCP connection to the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Write bytes. Ignore that the gateway has hung up."""
        with suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def message(self, message: object) -> None:
        """A text message: JSON of anything, or text as it is."""
        text = message if isinstance(message, str) else json.dumps(message)
        await self.send(frame(TEXT, text.encode()))

    async def status(self) -> int | None:
        """Return the status of the answer to a handshake; None if the connection was closed without
        one."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return int(head.split()[1])

    async def closed(self) -> int | None:
        """Read until the gateway ends the connection. Return its close code, None if it sent none.
        Raises `TimeoutError` if the gateway keeps the connection."""
        code = None
        async with asyncio.timeout(PATIENCE_S):
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    opcode, data = await self._frame()
                    if opcode == CLOSE:
                        code = int.from_bytes(data[:2], "big") if data else 1005
                        await self.send(frame(CLOSE, data[:2]))
        return code

    async def ended(self) -> None:
        """Return once the gateway has ended the connection, with any answer or none. Raises
        `TimeoutError` if it does not."""
        async with asyncio.timeout(PATIENCE_S):
            with suppress(ConnectionError):
                await self._reader.read()

    async def _frame(self) -> tuple[int, bytes]:
        first, second = await self._reader.readexactly(2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8), "big")
        return first & 0xF, await self._reader.readexactly(size)

    def cut(self) -> None:
        """Ends it without a word (RST)."""
        self._writer.transport.abort()


def handshake(
    url: str, headers: Mapping[str, str] | None = None, *, path: str | None = None
) -> str:
    """The request that opens a WebSocket at a URL, with further headers."""
    parts = urlsplit(url)
    lines = {
        "Host": parts.netloc,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
        **(headers or {}),
    }
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"GET {path or parts.path} HTTP/1.1\r\n{text}\r\n"


def signed(url: str) -> dict[str, str]:
    """The header that Twilio signs a URL with."""
    return {"X-Twilio-Signature": signature(CREDENTIALS.auth_token, url)}


async def connected(gateway: LoneGateway) -> Peer:
    """A TCP connection."""
    parts = urlsplit(gateway.url)
    opened = asyncio.open_connection(parts.hostname, parts.port, local_addr=STRANGER)
    async with asyncio.timeout(PATIENCE_S):
        return Peer(*await opened)


async def opened(gateway: LoneGateway, media_stream: MediaStream | None = None) -> Peer:
    """A socket that was let in, for this media stream or a new one; nothing was sent yet."""
    url = (media_stream or await gateway.start_request()).url
    peer = await connected(gateway)
    await peer.send(handshake(url, signed(url)).encode())
    assert 101 == await peer.status()
    return peer


async def started(gateway: LoneGateway) -> tuple[Peer, MediaStream]:
    """A socket on which a media stream has begun."""
    media_stream = await gateway.start_request()
    peer = await opened(gateway, media_stream)
    await peer.message(start(media_stream))
    return peer, media_stream


def start(media_stream: MediaStream, **changed: object) -> dict[str, object]:
    """The message with which Twilio begins it; `changed` replaces fields of `start`."""
    body: dict[str, object] = {
        "accountSid": CREDENTIALS.account_sid,
        "streamSid": media_stream.sid,
        "callSid": media_stream.call_sid,
        "tracks": ["inbound", "outbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": dict(media_stream.parameters),
    }
    sid = media_stream.sid
    return {"event": "start", "sequenceNumber": "1", "streamSid": sid, "start": body | changed}


def media(media_stream: MediaStream, timestamp: int, payload: str) -> dict[str, object]:
    """An inbound frame."""
    frame = {"track": "inbound", "chunk": "1", "timestamp": str(timestamp), "payload": payload}
    sid = media_stream.sid
    return {"event": "media", "sequenceNumber": "2", "streamSid": sid, "media": frame}


def stop(media_stream: MediaStream) -> dict[str, object]:
    """The end."""
    ids = {"accountSid": CREDENTIALS.account_sid, "callSid": media_stream.call_sid}
    return {"event": "stop", "sequenceNumber": "9", "streamSid": media_stream.sid, "stop": ids}


async def answered(gateway: LoneGateway, request: str | bytes) -> int | None:
    """The status with which a handshake is answered; None: none came."""
    peer = await connected(gateway)
    await peer.send(request if isinstance(request, bytes) else request.encode())
    status = await peer.status()
    peer.cut()
    return status


async def closed_after(gateway: LoneGateway, *data: bytes) -> int | None:
    """The code with which the socket of a media stream is closed after the data."""
    peer, _ = await started(gateway)
    for each in data:
        await peer.send(each)
    return await peer.closed()
