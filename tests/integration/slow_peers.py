"""Peers that are slow in various ways: the test waits no longer for them than the gateway does.
Each function returns once the gateway has ended the connection, with the close code, None if there
was none."""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable

from tests.integration.hostile import (
    TEXT,
    connected,
    frame,
    handshake,
    media,
    opened,
    started,
)
from tests.integration.lone_gateway import LoneGateway

FRAME = b64encode(bytes(160)).decode()


async def says_nothing(gateway: LoneGateway) -> None:
    await (await connected(gateway)).ended()


async def speaks_tls(gateway: LoneGateway) -> None:
    peer = await connected(gateway)
    await peer.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500))
    await peer.ended()


async def stops_halfway(gateway: LoneGateway) -> None:
    peer = await connected(gateway)
    await peer.send(handshake(gateway.url)[:-4].encode())
    await peer.ended()


async def drips(gateway: LoneGateway) -> None:
    """A byte now and then."""
    peer = await connected(gateway)
    ended = asyncio.create_task(peer.ended())
    for byte in handshake(gateway.url, {"X-Slow": "x" * 1000}).encode():
        await peer.send(bytes([byte]))
        if (await asyncio.wait([ended], timeout=0.2))[0]:
            break
    await ended


async def never_starts(gateway: LoneGateway) -> int | None:
    return await (await opened(gateway)).closed()


async def falls_silent(gateway: LoneGateway) -> int | None:
    """A socket that stops without a FIN."""
    peer, media_stream = await started(gateway)
    await peer.message(media(media_stream, 20, FRAME))
    return await peer.closed()


async def half_a_message(gateway: LoneGateway) -> int | None:
    peer, _ = await started(gateway)
    await peer.send(frame(TEXT, b'{"event":"media"', declared=200))
    return await peer.closed()


SLOW: dict[str, tuple[Callable[[LoneGateway], Awaitable[int | None]], tuple[int | None, ...]]] = {
    "says nothing": (says_nothing, (None,)),
    "speaks TLS": (speaks_tls, (None,)),
    "stops halfway": (stops_halfway, (None,)),
    "drips": (drips, (None,)),
    "never starts": (never_starts, (1008,)),
    "falls silent": (falls_silent, (1011, 1008)),
    "half a message": (half_a_message, (1011, 1008, None)),
}
"""Each with the codes that it may be closed with."""
