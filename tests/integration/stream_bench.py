"""The topics around stream manager and Twilio adapter, and a double of Twilio."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from pipeline.runtime.kafka import consumer, ensure_topics, producer
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from schemas.codec import decode, encode
from schemas.records import (
    Call,
    CommandAnswered,
    GatewayAlive,
    GatewayStarted,
    MediaStreamClosed,
    MediaStreamOpened,
    Tick,
)
from schemas.topics import ALL, GATEWAYS_ALIVE, STREAM_EVENTS, TICKS, Topic
from tests.agents.twilio_double import ACCOUNT, TOKEN, TwilioDouble, twilio_double
from tests.pipeline.streams.calls import ANN, CUSTOMER_LEG, TASK, call, reservation

GATEWAY = "wss://gateway.example.com/media"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Bench:
    """The topics around the roles, and the double of Twilio."""

    def __init__(self, settings: Settings, twilio: TwilioDouble, sender: AIOKafkaProducer) -> None:
        self.settings = settings
        self.twilio = twilio
        self.sender = sender
        self.published: list[Any] = []
        self.grown = asyncio.Condition()
        self.epoch = 1
        self.alive_topic: Topic | None = GATEWAYS_ALIVE

    async def publish(self, topic: Topic, record: Any, key: str = TASK) -> None:
        name = self.settings.prefixed(topic.name)
        await self.sender.send_and_wait(name, encode(record), key.encode())

    async def tick(self) -> None:
        """Send a tick to each partition every second, for ever; and the gateway's sign of life, if
        there is a topic for it."""
        while True:
            await self.broadcast(TICKS, Tick(now_ms()))
            alive = GatewayAlive("gateway-1", self.epoch, now_ms())
            if self.alive_topic is not None:
                await self.broadcast(self.alive_topic, alive)
            await asyncio.sleep(1)

    async def broadcast(self, topic: Topic, record: Any) -> None:
        """The record on every partition of the topic."""
        name = self.settings.prefixed(topic.name)
        for partition in range(topic.partitions):
            await self.sender.send(name, encode(record), partition=partition)

    async def listen(self, reader: AIOKafkaConsumer) -> None:
        async for record in reader:
            async with self.grown:
                self.published.append(decode(record.value))
                self.grown.notify_all()

    async def until(self, kind: type, suits: Callable[[Any], bool] = lambda _: True) -> Any:
        """The first record of that kind on stream.events that suits."""
        async with self.grown:
            await self.grown.wait_for(lambda: any(self._suiting(kind, suits)))
        return next(iter(self._suiting(kind, suits)))

    def of(self, kind: type) -> list[Any]:
        """All records of that kind on stream.events so far."""
        return self._suiting(kind, lambda _: True)

    def _suiting(self, kind: type, suits: Callable[[Any], bool]) -> list[Any]:
        return [r for r in self.published if isinstance(r, kind) and suits(r)]

    async def gateway_takes(self, answer: CommandAnswered) -> None:
        """A gateway reports the media stream of the answer."""
        event = MediaStreamOpened(
            answer.stream_sid or "", CUSTOMER_LEG, TASK, answer.name, answer.generation,
            "gateway-1", self.epoch, now_ms(),
        )  # fmt: skip
        await self.publish(STREAM_EVENTS, event)

    async def gateway_loses(self, answer: CommandAnswered, reason: str = "stop") -> None:
        """It reports the media stream's end: with "stop" once Twilio was asked for that."""
        if reason == "stop":
            await self.twilio.until_asked("stop")
        event = MediaStreamClosed(
            answer.stream_sid or "", CUSTOMER_LEG, TASK, answer.name, answer.generation,
            "gateway-1", self.epoch, now_ms(), reason, "", 1, 50, 0,
        )  # fmt: skip
        await self.publish(STREAM_EVENTS, event)

    async def gateway_comes_up_again(self) -> None:
        """A gateway announces its restart on every partition."""
        self.epoch += 1
        await self.broadcast(STREAM_EVENTS, GatewayStarted("gateway-1", self.epoch, now_ms()))


@contextlib.asynccontextmanager
async def stream_bench(
    settings_for: Callable[..., Settings], prefix: str, directory: Path
) -> AsyncIterator[Bench]:
    """Topics, Twilio and ticks; the list has ann."""
    (directory / "agents.txt").write_text(f"{ANN}\n")
    async with contextlib.AsyncExitStack() as stack:
        twilio = await stack.enter_async_context(twilio_double())
        twilio.calls[CUSTOMER_LEG] = "in-progress"
        settings = settings_for(
            prefix,
            instance="one",
            monitored_agents=directory / "agents.txt",
            twilio_account_sid=ACCOUNT,
            twilio_auth_token=TOKEN,
            twilio_api_url=twilio.url,
            gateway_public_url=GATEWAY,
        )
        await ensure_topics(settings, ALL)
        sender = producer(settings)
        await sender.start()
        stack.push_async_callback(sender.stop)
        reader = consumer(settings, settings.prefixed(STREAM_EVENTS.name))
        await reader.start()
        stack.push_async_callback(reader.stop)
        made = Bench(settings, twilio, sender)
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(made.tick()), tasks.create_task(made.listen(reader))]
            yield made
            for task in beside:
                task.cancel()


@contextlib.asynccontextmanager
async def role(run: Any, settings: Settings) -> AsyncIterator[Health]:
    """The role, once it is healthy, until the block ends."""
    health, stop = Health(starting="not ready"), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run(settings, health, stop))
        async with asyncio.timeout(40):
            while health.reasons:  # noqa: ASYNC110 - Health has nothing to wait on
                await asyncio.sleep(0.05)
        try:
            yield health
        finally:
            stop.set()


def active_call(*, direction: str = "inbound") -> Call:
    now = now_ms()
    return call(reservation(ANN, created=now - 2_000, accepted=now - 100), direction=direction)
