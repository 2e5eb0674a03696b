"""The gateway's process: from WebSockets through `media.protocol` to `publishing.publisher`.

Reading a socket never waits for Kafka: the records made from a message go into the publisher's
bounded buffer at once. Neither the path nor the signature of a handshake is ever logged.
"""

import asyncio
import gc
import socket
from collections.abc import Callable
from contextlib import suppress
from math import inf

import structlog
from aiokafka import AIOKafkaProducer

from gateway.admission.admission import Entrance
from gateway.announcing import Announcer, announced, broadcast
from gateway.configured import entrance_of, show_missing, spills_of
from gateway.decision_reader import DecisionFollower
from gateway.epoch import begin_epoch, in_use, is_reserved
from gateway.publishing.outlets import Outlets, is_cut_off, show_kafka
from gateway.publishing.publisher import Publisher
from gateway.sessions import MediaSessions
from gateway.sockets.handshakes import HandshakeReports
from gateway.sockets.listener import BACKLOG, Reception
from gateway.sockets.poller import Sockets
from pipeline.runtime.eager import first_of
from pipeline.runtime.kafka import producer
from pipeline.runtime.kafka_watch import keep_using_kafka, until_usable
from pipeline.runtime.log_clock import LogClock, log_clock
from pipeline.runtime.process import urgent_of
from pipeline.runtime.setting_values import listen_address
from pipeline.runtime.settings import Role, Settings
from pipeline.runtime.telemetry import Health
from schemas.records import GatewayAlive, GatewayStarted
from schemas.topics import CALL_PARTITIONS, GATEWAYS_ALIVE, MEDIA, SCHEMA_IDS_TOPIC, STREAM_EVENTS

log = structlog.get_logger(__name__)

WATCH_S = 0.1
ALIVE_S = 2.0
CLOSE_S = 1.5
FLUSH_S = 2.0
FULL = 0.9
LINGER_MS = 10
"""Lets batches of several calls share one request to Kafka: a request costs more than a batch."""
PATIENCE_S = 5.0
"""How long a gateway with a state directory waits for Kafka when it starts."""
GARBAGE_AFTER = 20_000
"""The number of new objects after which the garbage collector looks for cycles. Thousands of frames
that wait to become batches are not garbage."""


_READS = (STREAM_EVENTS, GATEWAYS_ALIVE, SCHEMA_IDS_TOPIC)
_WRITES = (MEDIA, STREAM_EVENTS, GATEWAYS_ALIVE)


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Run a gateway until `stop`. It is ready once it has announced itself on every partition.
    Raise `InstanceInUse` if another gateway of the same name has started."""
    gc.freeze()  # the objects that exist by now are permanent
    gc.set_threshold(GARBAGE_AFTER)
    settings.need("gateway_listen", "host:port to take media streams on")
    public_url = settings.need("gateway_public_url", "the URL that Twilio is given, wss://...")
    show_missing(settings, health)
    instance = settings.instance or f"gateway-{socket.gethostname()}"
    directory = settings.state_dir and settings.state_dir / "gateway"
    spills = spills_of(settings, directory, instance)
    async with log_clock(settings, health) as clock:
        if not is_reserved(directory, instance):
            await until_usable(settings, health, reads=_READS, writes=_WRITES)
        epoch = await begin_epoch(settings, directory, instance, clock, stop)
        if epoch is None:
            return
        entrance = entrance_of(settings, public_url, directory, clock)
        outlets = Outlets(
            Publisher(_producer_for(settings), spills=spills), Publisher(_producer_for(settings))
        )
        started = GatewayStarted(instance, epoch, clock.now())
        gateway = Gateway(settings, entrance, outlets, started, clock)
        await _serve(gateway, settings, health, stop)


async def _serve(
    gateway: "Gateway", settings: Settings, health: Health, stop: asyncio.Event
) -> None:
    outlets, started = gateway.outlets, gateway.started
    listen = str(settings.gateway_listen)
    topics = (settings.prefixed(MEDIA.name), settings.prefixed(STREAM_EVENTS.name))
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(
            keep_using_kafka(settings, health, reads=_READS, writes=_WRITES), name="kafka"
        )
        for publisher in outlets:
            tasks.create_task(publisher.run(), name="publisher")
        if await opened(
            gateway,
            outlets,
            topics,
            started,
            listen=listen,
            stop=stop,
            patience_s=inf if settings.state_dir is None else PATIENCE_S,
        ):
            log.info("accepting media streams", listen=listen, epoch=started.epoch)
            health.good("starting")
            await gateway.work(health, stop)
            if not all(await asyncio.gather(*(each.flushed(FLUSH_S) for each in outlets))):
                log.warning("stopping before Kafka has accepted all records")
        watching.cancel()
        for publisher in outlets:
            publisher.stop()
    if gateway.newer_epoch is not None:
        raise in_use(started, gateway.newer_epoch)


def _producer_for(settings: Settings) -> Callable[[], AIOKafkaProducer]:
    return lambda: producer(settings, source=Role.GATEWAY, linger_ms=LINGER_MS)


async def opened(
    gateway: "Gateway",
    outlets: Outlets[Announcer],
    topics: tuple[str, str],
    started: GatewayStarted,
    *,
    listen: str,
    stop: asyncio.Event,
    patience_s: float = inf,
) -> bool:
    """Announce on every partition that earlier epochs of this gateway are dead, then accept
    sockets. Return False if `stop` is set before that.

    If Kafka has not taken the announcement after `patience_s` seconds, accept sockets all the same:
    the announcement goes out before any of their records. `topics`: media and stream events. Raise
    `OSError` if the port cannot be opened.
    """
    # The order matters:
    # 1. Announce to the recorders: after the records that an earlier life left in the spill, before
    #    any of this life.
    # 2. Open the port: connections wait in the backlog.
    # 3. Announce to the stream managers. They restart media streams at once, which a closed port
    #    would refuse. The acknowledgement also shows that Kafka takes records.
    # 4. Accept sockets.
    media, events = topics
    broadcast(outlets.media, media, started)
    listening = gateway.bound(listen)
    if not await announced(outlets.events, events, started, stop, patience_s):
        listening.close()
        return False
    gateway.reception.accept_from(listening)
    return True


class Gateway:
    """The port and the sockets of one gateway. `started`: its announcement."""

    def __init__(
        self,
        settings: Settings,
        entrance: Entrance,
        outlets: Outlets[Publisher],
        started: GatewayStarted,
        clock: LogClock,
    ) -> None:
        self.newer_epoch: int | None = None
        """The epoch of another process that has this gateway's name and started later."""
        self._is_replaced = asyncio.Event()
        self._clock = clock
        self._reuse_port = settings.gateway_reuse_port
        self._check_s = settings.gateway_check_seconds
        self._drain_s = settings.gateway_drain_seconds
        self.outlets = outlets
        self.started = started
        self._alive_topic = settings.prefixed(GATEWAYS_ALIVE.name)
        self._events_topic = settings.prefixed(STREAM_EVENTS.name)
        sessions = MediaSessions(
            outlets.media,
            outlets.events,
            media_topic=settings.prefixed(MEDIA.name),
            events_topic=self._events_topic,
            instance=started.gateway,
            epoch=started.epoch,
            account_sid=settings.twilio_account_sid,
            correction=clock.correction,
        )
        clock.on_jump.append(sessions.decisions.clock_jumped)
        self.sockets = Sockets(sessions, clock.now)
        self._follower = DecisionFollower(
            settings, sessions.decisions, started, clock.now, self._replaced_by
        )
        self._decisions = sessions.decisions
        self._handshakes = HandshakeReports(outlets.events, self._events_topic, started, clock.now)
        self.reception = Reception(
            entrance,
            self.sockets.let_in,
            self._handshakes,
            count=lambda: len(self.sockets),
            is_full=self._is_full,
        )

    async def work(self, health: Health, stop: asyncio.Event) -> None:
        """Accept media streams until `stop` is set, then drain. If another gateway of the same name
        starts, end them at once: the reports of this one are ignored from then on."""
        async with asyncio.TaskGroup() as tasks:
            working = [
                tasks.create_task(self.sockets.keep_reading(), name="sockets"),
                tasks.create_task(self.watch(health), name="watch"),
                tasks.create_task(self._say_alive(), name="alive"),
                tasks.create_task(self._follower.run(), name="decisions"),
            ]
            await first_of(stop, self._is_replaced)
            health.bad("draining", "the gateway is stopping")
            if self.newer_epoch is None:
                await self.drain(urgent_of(stop))
            for task in working:
                task.cancel()
        self.end()

    def bound(self, address: str) -> socket.socket:
        """Open the port and return its socket. Connections wait in the backlog until they are
        accepted. Raise `OSError` if the port cannot be opened."""
        host, port = listen_address(address)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server(
            (host, port), family=family, backlog=BACKLOG, reuse_port=self._reuse_port
        )

    async def watch(self, health: Health) -> None:
        """Close sockets past their handshake deadline and sockets of calls that must not be
        recorded. Show in the health check which records Kafka and the disk do not accept."""
        while True:
            await asyncio.sleep(WATCH_S)
            self.reception.sweep()
            self.sockets.end_not_to_be_recorded()
            self._handshakes.show(health)
            show_kafka(health, self.outlets)
            if self.outlets.media.trouble is not None:
                health.bad("spill", self.outlets.media.trouble)
            else:
                health.good("spill")

    async def _say_alive(self) -> None:
        """Publish `GatewayAlive` every `ALIVE_S`: on every partition of its topic, and on those
        partitions of `stream.events` for which the decisions need to know how far they have been
        read. Skip a partition that takes no records: a record that waits would report a past time
        as if it were current."""
        who, events = self.started, self.outlets.events
        while True:
            alive = GatewayAlive(who.gateway, who.epoch, self._clock.now())
            unread = self._decisions.unread()
            for topic, partitions in (
                (self._alive_topic, range(CALL_PARTITIONS)),
                (self._events_topic, unread),
            ):
                for partition in partitions:
                    if events.waiting_at(topic, partition) < ALIVE_S:
                        events.publish(topic, None, alive, partition=partition)
            await asyncio.sleep(ALIVE_S)

    async def drain(self, urgent: asyncio.Event) -> None:
        """Stop gracefully: give the load balancer time to see the failing health check, close the
        port, give running media streams `drain_s` to end, then close their sockets. Once `urgent`
        is set, close the sockets without further waiting."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._check_s):
                await urgent.wait()
        self.reception.close_port()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._drain_s):
                await first_of(self.sockets.idle, urgent)
        self.sockets.close_all()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self.sockets.idle.wait()
        self.end()

    def end(self) -> None:
        """Close the port and all sockets."""
        self.reception.close()
        self.sockets.end_all()

    def _replaced_by(self, epoch: int) -> None:
        self.newer_epoch = epoch
        self._is_replaced.set()

    def _is_full(self) -> bool:
        """Return whether the running media streams need the rest of the buffer and the spill."""
        return self.outlets.media.filled() > FULL and is_cut_off(self.outlets)
