"""Request bodies: only small forms are accepted."""

import asyncio
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BYTES = 4096
TIMEOUT_S = 10.0
_FORM = "application/x-www-form-urlencoded"


class BodyMiddleware:
    """Reads the whole body before the request is handled, and refuses all but a form of at most 4
    kB.

    413: the body is larger; the rest is not read. 415: it is not an urlencoded form in UTF-8. 408:
    it did not arrive within 10 s.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        _check(Headers(scope=scope))
        try:
            async with asyncio.timeout(TIMEOUT_S):
                body = await _read(receive)
        except TimeoutError as error:
            raise HTTPException(408, "the body did not arrive in time") from error
        if body is not None:
            await self._app(scope, _replayed(body, receive), send)


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _check(headers: Headers) -> None:
    length = headers.get("content-length", "0")
    if not length.isdecimal() or len(length) > 9 or int(length) > MAX_BYTES:
        raise HTTPException(413, f"a body may have at most {MAX_BYTES} bytes")
    kind, _, parameters = headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('" ')
    if kind.strip().lower() != _FORM or charset not in ("", "utf-8", "utf8"):
        raise HTTPException(415, f"a body must be {_FORM} in UTF-8")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(415, "a body must not be compressed")


async def _read(receive: Receive) -> bytes | None:
    """Return the whole body, None if the client disconnected."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BYTES:
            raise HTTPException(413, f"a body may have at most {MAX_BYTES} bytes")
    return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body once, then the messages of the original one."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


async def form_field(request: Request, name: str) -> str:
    """Return the first value of a form field without surrounding white space; empty if the field is
    missing or the form cannot be read. Use it only behind `BodyMiddleware`."""
    try:
        fields = parse_qs((await request.body()).decode("ascii", "replace"), max_num_fields=20)
    except ValueError:
        return ""
    return fields.get(name, [""])[0].strip()
