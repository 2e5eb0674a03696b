"""uvicorn for every role: inside the role's event loop, without a `Server` header."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.runtime.forwarded import ForwardedMiddleware
from pipeline.runtime.http_connections import OpenConnections
from pipeline.runtime.metrics import HTTP_CONNECTIONS_CLOSED
from pipeline.runtime.setting_values import listen_address

HEAD_SECONDS = 10.0
"""Time limit from the connection, or from an answer, to the end of the next request's head."""
BACKLOG = 256
"""asyncio accepts this many connections at once before it hands any of them over. With the limit
of open connections it must stay below the usual limit of 1,024 open files."""


class _Server(uvicorn.Server):
    """uvicorn inside a process that handles its signals itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(H11Protocol):
    """uvicorn's protocol with limits of open connections and of the time without a request, and
    with our headers on its own answers.

    uvicorn limits only the time between an answer and the first byte after it.
    """

    error_headers: tuple[tuple[bytes, bytes], ...] = ()
    open_connections: OpenConnections
    _deadline: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        """The peer's address; empty for a socket without one."""
        return self.client[0] if self.client else ""

    @property
    def is_answering(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch_request()
        surplus = self.open_connections.add(self)
        if isinstance(surplus, _Protocol):
            surplus.drop("surplus")

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_connections.remove(self)
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_request()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, b"Bad Request", msg)

    def _watch_request(self) -> None:
        """Start the time limit of a request's head, unless it runs. Stop it while a request is
        being answered."""
        if self.is_answering or self.transport.is_closing():
            self._stop_watching()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _stop_watching(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _head_is_late(self) -> None:
        self._deadline = None
        if not self.is_answering and not self.transport.is_closing():
            self.drop("late")

    def drop(self, reason: str) -> None:
        """Close a connection without a request: with an answer if part of one was sent."""
        HTTP_CONNECTIONS_CLOSED.labels(reason).inc()
        self.open_connections.remove(self)
        if self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]:
            self._refuse(408, b"Request Timeout", "The request did not arrive in time.")
        self.transport.close()

    def _refuse(self, status: int, reason: bytes, text: str) -> None:
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"connection", b"close"),
            *self.error_headers,
        ]
        response = h11.Response(status_code=status, headers=headers, reason=reason)
        for event in (response, h11.Data(data=text.encode()), h11.EndOfMessage()):
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
    added to answers that do not come from `app`. A connection that has not sent the whole head of a
    request within 10 s is closed, and so are the oldest connections without a request if there are
    more than `OpenConnections` allows. Raise `OSError` if it cannot listen.
    """
    connections = OpenConnections(trusted_proxies)
    config = uvicorn.Config(
        ForwardedMiddleware(app, trusted_proxies) if trusted_proxies else app,
        http=_protocol(error_headers or {}, connections),
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)
    host, port = listen_address(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=BACKLOG) as listener:
        listener.setblocking(False)
        task = asyncio.create_task(server.serve(sockets=[listener]), name=f"http {listen}")
        try:
            yield
        finally:
            server.should_exit = True
            await asyncio.wait([task], timeout=5)


def _protocol(error_headers: Mapping[str, str], connections: OpenConnections) -> type[_Protocol]:
    encoded = tuple((name.encode(), value.encode()) for name, value in error_headers.items())
    values = {"error_headers": encoded, "open_connections": connections}
    return type("_Protocol", (_Protocol,), values)
