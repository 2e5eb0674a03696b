"""Plays scripts in real time: legs and conferences into the world, events into Kinesis; then waits
for what the product makes of each call, and judges it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Protocol

from simulator.console import ConsoleError
from simulator.disorder import disordered
from simulator.events import test_event
from simulator.media import clock
from simulator.script import AgentListed, EventSent, Json, Script, Step
from simulator.sids import Sids
from simulator.verify import began_after, differences, settled
from simulator.world import Leg, World

PATIENCE_MS = 20_000
POLL_S = 0.25


class Sink(Protocol):
    """Where events go."""

    async def put(self, event: Json) -> None:
        """Takes an event."""

    async def put_bytes(self, record: bytes) -> None:
        """Takes any bytes."""


class Contacts(Protocol):
    """What the product says, and gives to hear: a `Console` does."""

    async def contact(self, task_sid: str) -> Json | None:
        """The contact of a task."""

    async def bytes(self, path: str) -> bytes:
        """The audio at a path."""


class Progress(StrEnum):
    """How far a call is."""

    WAITING = "waiting"
    ON = "in progress"
    CHECKING = "checking"
    RIGHT = "right"
    WRONG = "WRONG"


@dataclass(slots=True)
class Played:
    """A call as it is played, for the view and the result. `contact`: as the console last told it;
    `began_after`: milliseconds from the moment when it had to be recorded until media came;
    `settled_after`: milliseconds from its end until contact and audio were there."""

    script: Script
    progress: Progress = Progress.WAITING
    contact: Json | None = None
    began_after: int | None = None
    settled_after: int | None = None
    differences: list[str] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether it has been judged."""
        return self.progress in (Progress.RIGHT, Progress.WRONG)


class Player:
    """Plays and judges calls. `list_agent` puts a line on the list of monitored agents."""

    def __init__(
        self, world: World, sink: Sink, console: Contacts, list_agent: Callable[[str], None]
    ) -> None:
        self._world, self._sink, self._console = world, sink, console
        self._list_agent = list_agent

    async def play(self, calls: Sequence[Played], random: Random) -> None:
        """Plays all the calls at their times and judges each; returns when the last is done."""
        async with asyncio.TaskGroup() as group:
            for played in calls:
                steps = disordered(played.script.steps, random)
                group.create_task(self._call(played, steps))

    async def act(self, script: Script, steps: Sequence[Step]) -> None:
        """Plays the steps at their times, and judges nothing."""
        for step in steps:
            await asyncio.sleep((step.at - clock()) / 1000)
            await self._carry_out(script, step)

    async def rubbish(self, sids: Sids) -> None:
        """What a sink also gets: a test event, an event nobody knows, things that are no events."""
        await self._sink.put(test_event(sids, clock()))
        await self._sink.put(test_event(sids, clock()) | {"type": "com.twilio.unheard.of"})
        await self._sink.put_bytes(b"this is not JSON")
        await self._sink.put_bytes(b'{"specversion": "1.0", "id": 7, "type": ["wrong"]}')

    async def _call(self, played: Played, steps: Sequence[Step]) -> None:
        script = played.script
        await asyncio.sleep((script.begins_at - clock()) / 1000)
        played.progress = Progress.ON
        await self.act(script, [step for step in steps if step.at <= script.ends_at])
        played.progress = Progress.CHECKING
        async with asyncio.TaskGroup() as group:
            late = [step for step in steps if step.at > script.ends_at]
            group.create_task(self.act(script, late))
            group.create_task(self._judge(played))

    async def _carry_out(self, script: Script, step: Step) -> None:
        match step.action:
            case EventSent(event, record=None):
                await self._sink.put(event)
            case EventSent(record=bytes(record)):
                await self._sink.put_bytes(record)
            case AgentListed(line):
                self._list_agent(line)
            case action:
                self._world.apply(action, clock(), seed=script.task_sid, line=script.line)

    async def _judge(self, played: Played) -> None:
        """Asks until the call is as it must be; when patience ends, says what is not."""
        ends_at = played.script.ends_at
        while True:
            told = await self._differences(played)
            played.began_after = began_after(played.script, self._legs(played.script))
            now = clock()
            if not told:
                played.settled_after = now - ends_at
                played.progress = Progress.RIGHT
                return
            if now - ends_at > PATIENCE_MS:
                played.differences = told
                played.progress = Progress.WRONG
                return
            await asyncio.sleep(POLL_S)

    async def _differences(self, played: Played) -> list[str]:
        script = played.script
        try:
            played.contact = await self._console.contact(script.task_sid)
            waited = clock() - script.ends_at > PATIENCE_MS
            if not settled(script, played.contact) and not waited:
                return ["not settled"]
            audio = await self._audio(played.contact)
            requests = self._world.requests.get(script.task_sid, ())
            return differences(script, self._legs(script), played.contact, audio, requests)
        except ConsoleError as error:
            return [str(error)]
        except (KeyError, TypeError, ValueError) as error:
            return [f"the console's answer is not as its contract says: {error!r}"]

    async def _audio(self, contact: Json | None) -> dict[str, bytes]:
        recordings = contact["recordings"] if contact else []
        return {
            recording["inum"]: await self._console.bytes(recording["audio_url"])
            for recording in recordings
            if recording["audio_url"]
        }

    def _legs(self, script: Script) -> list[Leg]:
        return [self._world.legs[sid] for sid in script.legs if sid in self._world.legs]
