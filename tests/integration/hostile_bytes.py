"""What a gateway must refuse: bytes that are no handshake, frames that are no media stream."""

from tests.integration.hostile import BINARY, CONTINUED, KEY, PING, TEXT, frame

MEGABYTE = b'{"event":"' + b"x" * 2**20 + b'"}'

NO_HANDSHAKES = {
    "POST": b"POST /media HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    "HTTP/1.0": b"GET /media HTTP/1.0\r\n\r\n",
    "no upgrade": b"GET /media HTTP/1.1\r\nHost: x\r\n\r\n",
    "old version": (
        b"GET /media HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 7\r\nSec-WebSocket-Key: " + KEY.encode() + b"\r\n\r\n"
    ),
    "a huge header": b"GET /media HTTP/1.1\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n",
    "many headers": b"GET /media HTTP/1.1\r\n" + b"X-Many: x\r\n" * 10_000 + b"\r\n",
    "a huge path": b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
    "no end": b"x" * 5_000_000,
}
"""By name: the bytes that are sent."""

NO_MEDIA: dict[str, tuple[list[bytes], tuple[int, ...]]] = {
    "1 MB": ([frame(TEXT, MEGABYTE)], (1009,)),
    "4 EB claimed": ([frame(TEXT, b"", declared=2**62)], (1009,)),
    "80 kB in two": (
        [frame(TEXT, b"x" * 40_000, fin=False), frame(CONTINUED, b"x" * 40_000)],
        (1009,),
    ),
    "100 kB in many": (
        [frame(TEXT, b"x", fin=False), frame(CONTINUED, b"x" * 999, fin=False) * 100],
        (1009,),
    ),
    "binary": ([frame(BINARY, b"binary")], (1008, 1003)),
    "compressed": ([frame(TEXT, b"{}", reserved=4)], (1002,)),
    "unmasked": ([frame(TEXT, b"{}", mask=False)], (1002,)),
    "unknown kind": ([frame(3, b"")], (1002,)),
    "long ping": ([frame(PING, b"x" * 126)], (1002,)),
    "ping in parts": ([frame(PING, b"x", fin=False)], (1002,)),
    "continues nothing": ([frame(CONTINUED, b"x")], (1002,)),
    "no UTF-8": ([frame(TEXT, b"\xff\xfe")], (1007, 1008)),
    "no JSON": ([frame(TEXT, b"{broken")], (1008,)),
    "half a message": ([frame(TEXT, b'{"event":"media","media":{"track":"inbound"')], (1008,)),
    "open brackets": ([frame(TEXT, b"[" * 60_000)], (1008,)),
    "deep list": ([frame(TEXT, b"[" * 30_000 + b"]" * 30_000)], (1008,)),
}
"""By name: the frames, and the codes with which the gateway may close the socket."""
