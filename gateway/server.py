"""The gateway's process: WebSockets in, `gateway.protocol` in the middle, `gateway.publisher` out.

Reading a socket never waits for Kafka: what a message leads to goes into the publisher's bounded
buffer at once. Neither the path nor the signature of a handshake is ever logged.
"""

import asyncio
import http
import logging
import socket
import time
from contextlib import suppress
from typing import Any, Protocol

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from gateway.epoch import begin_epoch
from gateway.publisher import Publisher
from gateway.sessions import CONNECTIONS, REFUSED, Session, Sessions
from gateway.signature import Verdict, judge
from pipeline.kafka import ensure_topics, producer
from pipeline.settings import Settings, listen_address
from pipeline.telemetry import Health
from schemas.records import GatewayAlive, GatewayStarted
from schemas.topics import CALL_PARTITIONS, MEDIA, STREAM_EVENTS

log = structlog.get_logger(__name__)

MAX_MESSAGE_BYTES = 64 * 1024
BACKLOG = 1024
TICK_S = 0.1
ALIVE_S = 2.0
STALLED_S = 10
DRAIN_S = 2.0
CLOSE_S = 1.5
FLUSH_S = 2.0


class Announcer(Protocol):
    """What an announcement needs of a `Publisher`."""

    def publish(
        self, topic: str, key: bytes | None, record: Any, *, partition: int | None = None
    ) -> bool:
        """Has a record published."""

    async def flushed(self, seconds: float) -> bool:
        """Whether everything stands in the log, after at most so long."""


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """The role. Ready once every partition knows that this gateway came up."""
    listen = settings.need("gateway_listen", "host:port to take media streams on")
    public_url = settings.need("gateway_public_url", "the URL that Twilio is told, wss://...")
    _warn_of_missing(settings)
    await ensure_topics(settings, [MEDIA, STREAM_EVENTS])
    instance = settings.instance or f"gateway-{socket.gethostname()}"
    directory = settings.state_dir and settings.state_dir / "gateway"
    epoch = begin_epoch(directory, instance, _now())
    publisher = Publisher(lambda: producer(settings, max_batch_size=256 * 1024))
    topics = (settings.prefixed(MEDIA.name), settings.prefixed(STREAM_EVENTS.name))
    sessions = Sessions(
        publisher,
        media_topic=topics[0],
        events_topic=topics[1],
        instance=instance,
        epoch=epoch,
        account_sid=settings.twilio_account_sid,
    )
    gateway = Gateway(settings, public_url, publisher, sessions)
    async with asyncio.TaskGroup() as tasks:
        writer = tasks.create_task(publisher.run(), name="publisher")
        started = GatewayStarted(instance, epoch, epoch)
        server = await opened(gateway, publisher, topics, started, listen=listen, stop=stop)
        if server is None:
            writer.cancel()
            return
        ticker = tasks.create_task(gateway.keep_time(health, tasks), name="ticker")
        alive = tasks.create_task(_say_alive(publisher, topics[1], instance, epoch), name="alive")
        log.info("accepting media streams", listen=listen, epoch=epoch)
        health.good("starting")
        await stop.wait()
        health.bad("draining", "the gateway is stopping")
        await gateway.drain(server)
        ticker.cancel()
        alive.cancel()
        if not await publisher.flushed(FLUSH_S):
            log.error("stopped before Kafka took everything", seconds=publisher.waiting_for())
        writer.cancel()


async def opened(
    gateway: "Gateway",
    publisher: Announcer,
    topics: tuple[str, str],
    started: GatewayStarted,
    *,
    listen: str,
    stop: asyncio.Event,
) -> Server | None:
    """Tells every partition that earlier epochs of this gateway are dead, and accepts sockets; None
    if told to stop first. `topics`: media and stream events. Raises `OSError` if it cannot listen.
    """
    # 1. The recorders are told, which also shows that Kafka takes what comes. 2. The port is open:
    # who connects waits. 3. The stream managers are told, and have media streams started again at
    # once: a closed port would refuse them. 4. Sockets are accepted: no record of this epoch comes
    # before its announcement.
    media, events = topics
    if not await _announced(publisher, media, started, stop):
        return None
    listening = gateway.bound(listen)
    try:
        told = await _announced(publisher, events, started, stop)
        return await gateway.accept(listening) if told else None
    finally:
        listening.close()  # the server has its own


async def _announced(
    publisher: Announcer, topic: str, started: GatewayStarted, stop: asyncio.Event
) -> bool:
    """True once it stands in the log, on every partition; False if told to stop first."""
    _broadcast(publisher, topic, started)
    while not await publisher.flushed(1):
        if stop.is_set():
            return False
        log.warning("waiting for Kafka to take the announcement")
    return True


async def _say_alive(publisher: Publisher, topic: str, instance: str, epoch: int) -> None:
    """Tells every partition, again and again, that this gateway lives. While Kafka takes nothing
    it says nothing: what waits would tell only later that it lived."""
    while True:
        if publisher.waiting_for() < ALIVE_S:
            _broadcast(publisher, topic, GatewayAlive(instance, epoch, _now()))
        await asyncio.sleep(ALIVE_S)


def _broadcast(publisher: Announcer, topic: str, record: GatewayStarted | GatewayAlive) -> None:
    for partition in range(CALL_PARTITIONS):
        publisher.publish(topic, None, record, partition=partition)


def _warn_of_missing(settings: Settings) -> None:
    if settings.twilio_auth_token is None:
        log.warning("FLEXCAPTURE_TWILIO_AUTH_TOKEN is not set: every media stream is refused")
    if settings.twilio_account_sid is None:
        log.warning("FLEXCAPTURE_TWILIO_ACCOUNT_SID is not set: a stream's account is not checked")


def _now() -> int:
    return time.time_ns() // 1_000_000


class Gateway:
    """The sockets: who may open one, what is read from it, how it ends."""

    def __init__(
        self, settings: Settings, public_url: str, publisher: Publisher, sessions: Sessions
    ) -> None:
        token = settings.twilio_auth_token
        self._token = token.get_secret_value() if token else None
        self._public_url = public_url
        self._reuse_port = settings.gateway_reuse_port
        self._publisher = publisher
        self._sessions = sessions
        self._sockets: dict[Session, ServerConnection] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    def bound(self, address: str) -> socket.socket:
        """An open port: who connects waits until `accept`. Raises `OSError` if there is none."""
        host, port = listen_address(address)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server(
            (host, port), family=family, backlog=BACKLOG, reuse_port=self._reuse_port
        )

    async def accept(self, listening: socket.socket) -> Server:
        """Accepts sockets from now on; `listening` may be closed."""
        quiet = logging.getLogger("flexcapture.websockets")
        quiet.setLevel(logging.CRITICAL)  # what a stranger does is counted; it fills no log
        return await serve(
            self._handle,
            sock=listening.dup(),
            process_request=self._admit,
            compression=None,
            server_header=None,
            max_size=MAX_MESSAGE_BYTES,
            max_queue=64,
            open_timeout=10,
            ping_interval=20,
            ping_timeout=20,
            close_timeout=CLOSE_S,
            logger=quiet,
            backlog=BACKLOG,
        )

    async def keep_time(self, health: Health, tasks: asyncio.TaskGroup) -> None:
        """Cuts batches that are due, ends sockets that are silent, watches Kafka."""
        while True:
            await asyncio.sleep(TICK_S)
            for session, ws in list(self._sockets.items()):
                close = self._sessions.tick(session, _now())
                if close is not None:
                    tasks.create_task(ws.close(close.code, close.reason), name="close")
            waiting = self._publisher.waiting_for()
            if waiting > STALLED_S:
                health.bad("kafka", f"nothing acknowledged for {waiting:.0f} s; buffering")
            else:
                health.good("kafka")

    async def drain(self, server: Server) -> None:
        """Accepts no more, lets what runs end for a while, then closes it."""
        server.close(close_connections=False)
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self._idle.wait()
        async with asyncio.TaskGroup() as closing:
            for session, ws in list(self._sockets.items()):
                session.draining = True
                closing.create_task(ws.close(1001, "going away"), name="close")
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await server.wait_closed()

    def _admit(self, ws: ServerConnection, request: Request) -> Response | None:
        signatures = request.headers.get_all("X-Twilio-Signature")
        verdict = judge(self._token, self._public_url, request.path, signatures)
        if verdict is not Verdict.ACCEPTED:
            REFUSED.labels(verdict.value).inc()
            return ws.respond(http.HTTPStatus.FORBIDDEN, f"{verdict.value}\n")
        if self._publisher.waiting_for() > STALLED_S and self._publisher.filled() > 0.5:
            # What runs needs the rest of the buffer.
            REFUSED.labels("kafka-down").inc()
            return ws.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "kafka-down\n")
        return None

    async def _handle(self, ws: ServerConnection) -> None:
        session = self._sessions.open(_now())
        self._sockets[session] = ws
        self._idle.clear()
        CONNECTIONS.inc()
        try:
            with suppress(ConnectionClosed):
                await self._read(session, ws)
        except Exception:  # a fault of ours must not take the neighbours' sockets along
            log.exception("socket handler failed")
            raise
        finally:
            self._sessions.lost(session, _now(), *_how_it_ended(session, ws))
            CONNECTIONS.dec()
            del self._sockets[session]
            if not self._sockets:
                self._idle.set()

    async def _read(self, session: Session, ws: ServerConnection) -> None:
        receive = self._sessions.receive
        async for message in ws:
            close = receive(session, message, _now())
            if close is not None:
                await ws.close(close.code, close.reason)
                return


def _how_it_ended(session: Session, ws: ServerConnection) -> tuple[str, str]:
    """Reason and detail for `MediaStreamClosed`, where the socket ended before the stream."""
    sent, received = ws.protocol.close_sent, ws.protocol.close_rcvd
    if session.draining:
        return "drained", "the gateway was stopped"
    if sent is not None and sent.code in (1002, 1007, 1009):
        return "protocol-error", f"closed with {sent.code} {sent.reason}".strip()
    if sent is not None and sent.code == 1011:
        return "dropped", "no answer to a ping"
    if received is not None:
        return "dropped", f"closed by the other side with {received.code}"
    return "dropped", "connection lost"
