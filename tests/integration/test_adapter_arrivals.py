"""The adapter on a real Kafka: its health shows whether started media streams reach a gateway."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import pytest

from agents.twilio_adapter import service
from pipeline.runtime.kafka import ensure_topics
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from schemas.records import HandshakeRefused, MediaStreamOpened, StartDuplicateStream
from schemas.topics import STREAM_COMMANDS, STREAM_EVENTS
from tests.agents.twilio_double import ACCOUNT, TOKEN, TwilioDouble, twilio_double
from tests.integration.faust_roles import publish, until

pytestmark = pytest.mark.integration


def _now() -> int:
    return time.time_ns() // 1_000_000


def _start(number: int) -> StartDuplicateStream:
    return StartDuplicateStream(
        command_id=f"start:{number}", task_sid=f"WT{number:032x}", call_sid=f"CA{number:032x}",
        generation=1, issued_at=_now(), expires_at=_now() + 30_000, reason="started",
        policy_version=1, direction="inbound", worker_marks=(), customer_marks=(),
    )  # fmt: skip


def _opened(number: int) -> MediaStreamOpened:
    return MediaStreamOpened(
        stream_sid=f"MZ{number:032x}", call_sid=f"CA{number:032x}", task_sid=f"WT{number:032x}",
        name=None, generation=1, gateway="gateway-1", epoch=1, at=_now(),
    )  # fmt: skip


def _refused(number: int) -> HandshakeRefused:
    return HandshakeRefused(
        task_sid=f"WT{number:032x}", call_sid=f"CA{number:032x}", generation=1,
        gateway="gateway-1", epoch=1, at=_now(), reason="ticket-expired",
    )  # fmt: skip


@contextlib.asynccontextmanager
async def _running(settings: Settings, twilio: TwilioDouble) -> AsyncIterator[Health]:
    health, stop = Health(starting="not ready"), asyncio.Event()
    settings = settings.model_copy(update={"twilio_api_url": twilio.url})
    await ensure_topics(settings, [STREAM_COMMANDS, STREAM_EVENTS])
    task = asyncio.create_task(service.run(settings, health, stop))
    try:
        yield health
    finally:
        stop.set()
        await task


async def test_health_shows_whether_gateways_are_reached(
    settings_for: Callable[..., Settings], prefix: str
) -> None:
    """A media stream that arrives before its start is answered keeps the adapter healthy. A refused
    handshake makes it unhealthy, with the reason, until the next media stream arrives."""
    settings = settings_for(
        prefix, twilio_account_sid=ACCOUNT, twilio_auth_token=TOKEN,
        gateway_public_url="wss://gateway.example.com/media", instance="one",
    )  # fmt: skip
    async with twilio_double() as twilio, _running(settings, twilio) as health:
        twilio.calls |= {f"CA{n:032x}": "in-progress" for n in (1, 2, 3)}
        await publish(settings, STREAM_EVENTS, [(_opened(1).task_sid, _opened(1))])
        await publish(settings, STREAM_COMMANDS, [(_start(1).task_sid, _start(1))])
        await twilio.until_asked("start", 1)
        await until(lambda: {} == health.reasons)
        await publish(settings, STREAM_EVENTS, [(_refused(2).task_sid, _refused(2))])
        await publish(settings, STREAM_COMMANDS, [(_start(2).task_sid, _start(2))])
        await until(lambda: "gateway" in health.reasons)
        assert "1 media stream was started" in health.reasons["gateway"]
        assert "ticket-expired" in health.reasons["gateway"]
        await publish(settings, STREAM_COMMANDS, [(_start(3).task_sid, _start(3))])
        await publish(settings, STREAM_EVENTS, [(_opened(3).task_sid, _opened(3))])
        await until(lambda: {} == health.reasons)
