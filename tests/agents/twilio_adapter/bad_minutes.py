"""Minutes in which Twilio is slow or broken, for tests."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agents.twilio_adapter.commands import Commands
from agents.twilio_adapter.lanes import CallLane
from agents.twilio_adapter.request_gate import RequestGate
from pipeline.runtime.telemetry import Health
from pipeline.runtime.twilio_http import TwilioError
from pipeline.streams.marks import FetchedCall, Participant
from schemas.records import (
    CommandAnswered,
    StartDuplicateStream,
    StreamCommand,
)
from tests.virtual_time import virtual_ms, virtually

URL = "wss://gateway.example.com/media"
TIMEOUT_S = 5.0


def sid(prefix: str, number: int) -> str:
    """A SID by a number."""
    return f"{prefix}{number:032x}"


@dataclass
class FakeTwilio:
    """Twilio as plain functions. `ill`: its present fault; without one, each request takes 50
    ms."""

    ill: str = ""
    requests: list[tuple[int, str, str]] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    wrong: dict[str, TwilioError] = field(default_factory=dict)
    checked: list[int] = field(default_factory=list)
    check_fails: TwilioError | None = None

    async def start_stream(
        self, call_sid: str, name: str, url: str, parameters: dict[str, str]
    ) -> str | None:
        await self._request("start", call_sid)
        self.streams.append(call_sid)
        return sid("MZ", len(self.streams))

    async def stop_stream(self, call_sid: str, sid_or_name: str) -> None:
        await self._request("stop", call_sid)

    async def conferences(self, friendly_name: str) -> list[str]:
        await self._request("conferences", friendly_name)
        return []

    async def participants(self, conference_sid: str) -> list[Participant]:
        return []

    async def call(self, call_sid: str) -> FetchedCall:
        return FetchedCall()

    async def check_account(self) -> None:
        self.checked.append(virtual_ms())
        if self.check_fails is not None:
            await asyncio.sleep(0.05)
            raise self.check_fails
        await self._suffer()

    def since(self, at: int) -> list[tuple[str, str]]:
        """Return the requests since that time."""
        return [(kind, call) for when, kind, call in self.requests if when >= at]

    async def _request(self, kind: str, call_sid: str) -> None:
        self.requests.append((virtual_ms(), kind, call_sid))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self._suffer()
        finally:
            self.under_way -= 1
        if call_sid in self.wrong:
            raise self.wrong[call_sid]

    async def _suffer(self) -> None:
        match self.ill:
            case "hangs":
                await asyncio.sleep(TIMEOUT_S)
                raise TwilioError(0, None, "no answer")
            case "slow":
                await asyncio.sleep(3)
            case "breaks":
                await asyncio.sleep(0.05)
                raise TwilioError(503, None, "Service Unavailable")
            case "stumbles":
                await asyncio.sleep(0.05)
                if self.dice.random() < 0.2:
                    raise TwilioError(self.dice.choice([429, 500, 503]), None, "one in five")
            case "refuses":
                await asyncio.sleep(0.05)
                raise TwilioError(401, 20003, "Authenticate")
            case _:
                await asyncio.sleep(0.05)


@dataclass
class Scene:
    """Commands of many calls, in virtual time."""

    concurrency: int = 8
    twilio: FakeTwilio = field(default_factory=FakeTwilio)
    health: Health = field(default_factory=Health)
    answers: dict[str, tuple[int, CommandAnswered]] = field(default_factory=dict)
    lanes: dict[str, CallLane] = field(default_factory=dict)

    def __post_init__(self) -> None:
        gate = RequestGate(
            self.concurrency, self.health, self.twilio.check_account, jitter=lambda: 0.5
        )
        self.commands = Commands(self.twilio, gate, URL, virtual_ms)

    async def does(self, command: StreamCommand) -> CommandAnswered:
        lane = self.lanes[command.task_sid] = CallLane()
        answer = await self.commands.carry_out(command, lane)
        self.answers[command.command_id] = virtual_ms(), answer
        return answer

    def outcomes(self) -> list[str]:
        return [answer.outcome for _, answer in self.answers.values()]

    def latest_answer(self) -> int:
        return max(at for at, _ in self.answers.values())


def start(number: int, lasts_ms: int = 120_000) -> StartDuplicateStream:
    now = virtual_ms()
    return StartDuplicateStream(
        command_id=f"start {number}",
        task_sid=sid("WT", number),
        call_sid=sid("CA", number),
        generation=1,
        issued_at=now,
        expires_at=now + lasts_ms,
        reason="started",
        policy_version=1,
        direction="inbound",
        worker_marks=(),
        customer_marks=(),
    )


def run(play: Callable[[Scene, asyncio.TaskGroup], Awaitable[None]], concurrency: int = 8) -> Scene:
    """The scene after the play and all commands are over."""

    async def main() -> Scene:
        scene = Scene(concurrency)
        async with asyncio.TaskGroup() as tasks:
            await play(scene, tasks)
        return scene

    return virtually(main())
