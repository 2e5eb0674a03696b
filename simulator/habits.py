"""Unusual behaviour of a socket that sends media (`unlike.py`)."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.exceptions import WebSocketException
from websockets.frames import PONG, Frame

LINGERS_S = 60.0
TIMESTAMP_STEP = (50, 19)
"""The frame from which on the outbound track's timestamps are later, and by how many ms."""
SECOND_AFTER_S = 0.3
SECOND_OPEN_S = 3.0


class Deaf(ClientConnection):
    """A client that does not answer pings."""

    def __init__(self, protocol: ClientProtocol, **arguments: Any) -> None:
        protocol.send_frame = _without_pongs(protocol.send_frame)  # type: ignore[method-assign,assignment]
        super().__init__(protocol, **arguments)


def _without_pongs(send: Callable[[Frame], None]) -> Callable[[Frame], None]:
    def send_others(frame: Frame) -> None:
        if frame.opcode is not PONG:
            send(frame)

    return send_others


def signed_url(url: str) -> str:
    """Return the URL without its port."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.hostname or ""))


async def second_socket(first: ClientConnection, url: str) -> None:
    """Open another socket for the media stream of `first`, with the same signature. It sends no
    messages."""
    await asyncio.sleep(SECOND_AFTER_S)
    assert first.request is not None
    signed = first.request.headers["X-Twilio-Signature"]
    with suppress(OSError, TimeoutError, WebSocketException):
        async with connect(
            url,
            additional_headers={"X-Twilio-Signature": signed},
            open_timeout=SECOND_OPEN_S,
            close_timeout=1,
            ping_interval=None,
            proxy=None,
        ):
            await asyncio.sleep(1)
