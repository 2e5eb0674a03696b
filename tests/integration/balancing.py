"""HAProxy with the deployed configuration and TLS, in front of stub gateways that echo messages."""

import asyncio
import os
import signal
import ssl
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request

from infra.local.haproxy import LocalHaproxy
from infra.local.haproxy_configuration import Addresses, GatewayAddress
from infra.ports import chosen
from infra.supervisor.processes import signal_all, tied
from tests.certificates import authority
from tests.integration.faust_roles import until

TICKET = "a-ticket-that-no-log-may-have"
PATIENCE_S = 60.0
SIGNAL_S = 0.5
HOST = "127.0.0.1"


@dataclass
class StubGateway:
    """A gateway that sends each message back. `seen`: the requests that reached it; `is_healthy`:
    the answer to health checks."""

    port: int
    health_port: int
    is_healthy: bool = True
    seen: list[Request] = field(default_factory=list)
    opened: int = 0
    server: Server | None = None

    async def start(self) -> None:
        """Listen for media streams."""

        def noted(_: ServerConnection, request: Request) -> None:
            self.seen.append(request)

        async def echo(connection: ServerConnection) -> None:
            self.opened += 1
            async for message in connection:
                await connection.send(message)

        self.server = await serve(echo, HOST, self.port, process_request=noted)

    async def answer_health(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer a health check."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            status = b"200 OK" if self.is_healthy else b"503 Service Unavailable"
            writer.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status)
        writer.close()

    async def die(self) -> None:
        """Close the port and all sockets at once."""
        assert self.server is not None
        for connection in self.server.connections:
            connection.transport.abort()
        self.server.close(close_connections=False)
        await self.server.wait_closed()


@dataclass
class Balancer:
    """HAProxy that runs. `trust`: what a client needs to verify it."""

    port: int
    health: str
    command: list[str]
    log: Path
    trust: ssl.SSLContext
    gateways: list[StubGateway]
    process: Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *tied(self.command), stdout=log, stderr=log, start_new_session=True
            )
        await until(self._accepts, PATIENCE_S)

    async def _accepts(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(HOST, self.port)
        except ConnectionRefusedError:
            return False
        writer.close()
        return True

    async def reload(self) -> None:
        """Let it read its configuration again, and wait until it has. HAProxy loses a signal that
        comes in the last moment of the reload before: send it until it was noticed."""
        assert self.process is not None
        noticed, done = self._said("Reloading HAProxy"), self._said("Loading success")
        while self._said("Reloading HAProxy") == noticed:
            os.kill(self.process.pid, signal.SIGUSR2)
            await asyncio.sleep(SIGNAL_S)
        await until(lambda: _is(self._said("Loading success") > done), PATIENCE_S)

    def _said(self, text: str) -> int:
        return self.log.read_text().count(text)

    async def kill(self) -> None:
        """Kill it, and all of its processes."""
        assert self.process is not None
        signal_all(self.process.pid, signal.SIGKILL)
        await self.process.wait()

    async def call(self, address: str = HOST, **headers: str) -> ClientConnection:
        """Open a media stream, as Twilio does."""
        return await connect(
            f"wss://{HOST}:{self.port}/media/{TICKET}",
            ssl=self.trust,
            additional_headers={"X-Twilio-Signature": "signed", **headers},
            local_addr=(address, 0),
            open_timeout=PATIENCE_S,
            ping_interval=None,
        )

    async def is_up(self, number: int) -> bool:
        """Return whether it takes a gateway for healthy."""
        reader, writer = await asyncio.open_connection(*self.health.split(":"))
        writer.write(b"GET /metrics?scope=server HTTP/1.0\r\n\r\n")
        text = (await reader.read()).decode()
        writer.close()
        name = f'proxy="gateways",server="gateway-{number}",state="UP"'
        [line] = [each for each in text.splitlines()
                  if each.startswith("haproxy_server_status{") and name in each]  # fmt: skip
        return float(line.split()[-1]) == 1


@asynccontextmanager
async def balanced(
    directory: Path, count: int = 2, *, behind_proxy: bool = False
) -> AsyncIterator[Balancer]:
    """Yield HAProxy in front of `count` gateways; everything ends with the block."""
    names = ["media", "health", *(f"{kind}{n}" for kind in "gh" for n in range(count))]
    ports = chosen(names, {}, [])
    gateways = [StubGateway(ports[f"g{n}"], ports[f"h{n}"]) for n in range(count)]
    made = authority(directory)
    addresses = Addresses(
        media=f"{HOST}:{ports['media']}",
        health=f"{HOST}:{ports['health']}",
        socket="admin.sock",
        gateways=[GatewayAddress(f"{HOST}:{g.port}", g.health_port) for g in gateways],
        certificate=str(made.issue(HOST)),
        behind_proxy=behind_proxy,
    )
    command = LocalHaproxy(directory / "load-balancer", addresses).prepare()
    trust = ssl.create_default_context(cafile=str(made.ca_file))
    log = directory / "load-balancer.log"
    balancer = Balancer(ports["media"], addresses.health, command, log, trust, gateways)
    async with AsyncExitStack() as stack:
        for gateway in gateways:
            await gateway.start()
            health = await asyncio.start_server(gateway.answer_health, HOST, gateway.health_port)
            stack.callback(health.close)
            stack.callback(gateway.server.close)  # type: ignore[union-attr]
        await balancer.start()
        try:
            yield balancer
        finally:
            await balancer.kill()
    assert TICKET not in log.read_text()


async def _is(value: bool) -> bool:
    return value


async def echoes(connection: ClientConnection, count: int = 20) -> bool:
    """Return whether messages come back, each in its place."""
    sent = [f"{number}" for number in range(count)]
    for each in sent:
        await connection.send(each)
    async with asyncio.timeout(PATIENCE_S):
        return sent == [await connection.recv() for _ in sent]
