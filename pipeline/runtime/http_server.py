"""uvicorn for every role: inside the role's event loop, without a `Server` header."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.runtime.settings import listen_address


class _Server(uvicorn.Server):
    """uvicorn inside a process that handles its signals itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(H11Protocol):
    """uvicorn's protocol, with our headers on its answer to invalid HTTP requests."""

    error_headers: tuple[tuple[bytes, bytes], ...] = ()

    def send_400_response(self, msg: str) -> None:
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"connection", b"close"),
            *self.error_headers,
        ]
        response = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
        for event in (response, h11.Data(data=msg.encode()), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


@asynccontextmanager
async def serving(
    listen: str,
    app: ASGIApp,
    *,
    trusted_proxies: Sequence[str] = (),
    error_headers: Mapping[str, str] | None = None,
) -> AsyncIterator[None]:
    """Serve `app` on `listen` ("host:port") while the block runs.

    Client address and scheme come from `X-Forwarded-For` and `X-Forwarded-Proto` only if the
    request comes from one of `trusted_proxies` (IP addresses or networks). `error_headers` are
    added to answers that do not come from `app`. Raise `OSError` if it cannot listen.
    """
    config = uvicorn.Config(
        app,
        http=_protocol(error_headers or {}),
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)
    host, port = listen_address(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=1024) as listener:
        listener.setblocking(False)
        task = asyncio.create_task(server.serve(sockets=[listener]), name=f"http {listen}")
        try:
            yield
        finally:
            server.should_exit = True
            await asyncio.wait([task], timeout=5)


def _protocol(error_headers: Mapping[str, str]) -> type[_Protocol]:
    encoded = tuple((name.encode(), value.encode()) for name, value in error_headers.items())
    return type("_Protocol", (_Protocol,), {"error_headers": encoded})
