"""The client's address and scheme from the headers of a trusted proxy."""

from collections.abc import Sequence
from typing import Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from pipeline.runtime.addresses import valid_address

_PEER = "flexcapture.peer"


class ForwardedMiddleware:
    """Sets a request's `client` and `scheme` from `X-Forwarded-For` and `X-Forwarded-Proto` if the
    peer is one of `trusted_proxies` (IP addresses or networks).

    The client is the last address that is not itself a trusted proxy, since each proxy appends its
    own peer. If that is not an IP address, with or without a port, the peer counts as the client:
    addresses left of it can be chosen by the client.
    """

    def __init__(self, app: ASGIApp, trusted_proxies: Sequence[str]) -> None:
        self._app = app
        self._headers = ProxyHeadersMiddleware(cast("Any", self._checked), list(trusted_proxies))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope[_PEER] = scope.get("client")
        await self._headers(cast("Any", scope), cast("Any", receive), cast("Any", send))

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            peer, client = scope.pop(_PEER), scope.get("client")
            if client and client != peer:
                address = valid_address(client[0])
                scope["client"] = peer if address is None else (address, client[1])
        await self._app(scope, receive, send)
