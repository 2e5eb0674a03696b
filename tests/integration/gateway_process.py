"""A gateway with real sockets on a real Kafka."""

import asyncio
import base64
import hashlib
import hmac
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from gateway.server import run
from infra.ports import chosen
from pipeline.runtime.kafka import consumer
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from pipeline.twilio.tickets import issued
from schemas import codec
from tests.gateway.dialogue import ACCOUNT, CALL, TASK

TOKEN = "a-token-of-twilios"


@dataclass(frozen=True)
class Running:
    """A gateway that takes media streams."""

    url: str
    settings: Settings
    health: Health
    stop: asyncio.Event
    task: asyncio.Task[None]

    def connect(
        self, segment: str | None = None, task: str = TASK, token: str = TOKEN, **headers: str
    ) -> Any:
        """A socket as Twilio opens it, to the public URL and a segment, a ticket mostly. `token`:
        the one that Twilio and the adapter have."""
        if segment is None:
            segment = "/" + ticket(time.time(), task=task, token=token)
        url = self.url + segment
        digest = hmac.new(token.encode(), url.encode(), hashlib.sha1).digest()
        signed = {"X-Twilio-Signature": base64.b64encode(digest).decode()} | headers
        return connect(url, additional_headers={k: v for k, v in signed.items() if v})

    async def records(self, topic: str, until: type, count: int = 1) -> list[tuple[Any, Any]]:
        """(Kafka's record, ours) of the topic, until `count` of a kind were there."""
        found: list[tuple[Any, Any]] = []
        async with consuming(self.settings, topic) as reader, asyncio.timeout(20):
            while sum(isinstance(ours, until) for _, ours in found) < count:
                for records in (await reader.getmany(timeout_ms=100)).values():
                    found += [(record, codec.decode(record.value)) for record in records]
        return found


def ticket(now: float, task: str = TASK, token: str = TOKEN) -> str:
    """One for the media stream of `start()`, made at `now`."""
    return issued(token, ACCOUNT, CALL, task, 2, now=now, nonce=os.urandom(8))


@asynccontextmanager
async def consuming(settings: Settings, topic: str) -> AsyncIterator[Any]:
    reader = consumer(settings, settings.prefixed(topic))
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()


@asynccontextmanager
async def gateway_with(settings: Settings, awaited: str = "") -> AsyncIterator[Running]:
    """A gateway, once it is well, or only that reason of its health is gone."""
    port = chosen(["gateway"], {}, [])["gateway"]
    url = f"ws://127.0.0.1:{port}/media"
    settings = settings.model_copy(
        update={
            "gateway_listen": f"127.0.0.1:{port}",
            "gateway_public_url": url,
            "twilio_account_sid": ACCOUNT,
            "instance": "gateway-0",
            "gateway_check_seconds": 0.2,
            "gateway_drain_seconds": 1.0,
        }
    )
    health, stopping = Health(starting="not yet"), asyncio.Event()
    task = asyncio.create_task(run(settings, health, stopping))
    try:
        async with asyncio.timeout(30):
            while _waits(health, awaited) and not task.done():
                await asyncio.wait([task], timeout=0.05)
        yield Running(url, settings, health, stopping, task)
    finally:
        stopping.set()
        async with asyncio.timeout(8):
            await task


def _waits(health: Health, awaited: str) -> bool:
    return awaited in health.reasons if awaited else bool(health.reasons)


async def closing_code(ws: ClientConnection) -> tuple[int, str]:
    """How the gateway closed the socket."""
    async with asyncio.timeout(10):
        await ws.wait_closed()
    received = ws.protocol.close_rcvd
    assert received is not None
    return received.code, received.reason
