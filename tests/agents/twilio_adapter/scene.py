"""The adapter with a Twilio in memory, for tests."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from agents.twilio_adapter.client import TwilioApi
from agents.twilio_adapter.commands import Commands
from agents.twilio_adapter.lanes import CallLane, CommandItem
from agents.twilio_adapter.request_gate import RequestGate
from pipeline.runtime.log_clock import machine_clock
from pipeline.runtime.telemetry import Health
from pipeline.streams.names import stream_name
from schemas.records import (
    CommandAnswered,
    StartDuplicateStream,
    StopDuplicateStream,
    StreamCommand,
)
from tests.agents.twilio_double import ACCOUNT, TOKEN, TwilioDouble, twilio_double

TASK = "WT" + "a" * 32
LEG = "CA" + "b" * 32
WORKER = "CA" + "c" * 32
URL = "wss://gateway.example.com/media"


def start_command(**changes: object) -> StartDuplicateStream:
    now = machine_clock()
    command = StartDuplicateStream(
        command_id=f"start:{TASK}:1:1",
        task_sid=TASK,
        call_sid=LEG,
        generation=1,
        issued_at=now,
        expires_at=now + 30_000,
        reason="started: monitored agent ann@example.com is active",
        policy_version=1,
        direction="inbound",
        worker_marks=("ann@example.com", "client:ann@example.com"),
        customer_marks=("customer", "+15550100"),
    )
    return replace(command, **changes)  # type: ignore[arg-type]


def stop(**changes: object) -> StopDuplicateStream:
    now = machine_clock()
    command = StopDuplicateStream(
        command_id=f"stop:{TASK}:1:1",
        task_sid=TASK,
        call_sid=LEG,
        generation=1,
        stream_sid=None,
        name=stream_name(TASK, LEG, 1),
        issued_at=now,
        expires_at=now + 15_000,
        reason="stopped: last monitored agent left",
    )
    return replace(command, **changes)  # type: ignore[arg-type]


class Scene:
    """Commands, Twilio and one call's lane."""

    def __init__(self, twilio: TwilioDouble, commands: Commands, health: Health) -> None:
        self.twilio = twilio
        self.commands = commands
        self.health = health
        self.lane = CallLane()

    async def does(self, command: StreamCommand) -> CommandAnswered:
        return await self.commands.carry_out(command, self.lane)

    def put(self, command: StreamCommand) -> None:
        """A further command of the call arrives."""
        self.lane.put(CommandItem(command, 0, 1))


@asynccontextmanager
async def opened_scene(token: str = TOKEN, timeout_s: float = 5.0) -> AsyncIterator[Scene]:
    health = Health()
    async with (
        twilio_double() as twilio,
        TwilioApi(ACCOUNT, (ACCOUNT, token), token, twilio.url, timeout_s, clock=time.time) as api,
        asyncio.timeout(20),
    ):
        twilio.calls[LEG] = "in-progress"
        yield Scene(
            twilio,
            Commands(api, RequestGate(8, health, api.check_account), URL, machine_clock),
            health,
        )
