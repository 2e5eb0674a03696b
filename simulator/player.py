"""Play scripts in real time: apply legs and conferences to the world, and send events to Kinesis.
Then wait for the product's result of each call, and check it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Protocol

from simulator.console import ConsoleError
from simulator.disorder import disordered
from simulator.events import test_event
from simulator.listing import remember
from simulator.media import clock
from simulator.recorded import RecordedCall, RecordedConferences
from simulator.script import AgentListed, EventSent, Json, Script, ScriptStep, Sids
from simulator.verify import began_after, differences, settled
from simulator.world import World, WorldLeg

PATIENCE_MS = 20_000
RECOVERY_MS = 30_000
"""How much longer a call that must be recovered from Twilio's recording may take."""
POLL_S = 0.25


class Sink(Protocol):
    """The destination of events: see `KinesisSink`."""

    async def put(self, event: Json) -> None:
        """Send an event."""

    async def put_bytes(self, record: bytes) -> None:
        """Send a record of any bytes."""


class Contacts(Protocol):
    """The product's contacts and audio: see `Console`."""

    async def contact(self, task_sid: str) -> Json | None:
        """Return the contact of a task."""

    async def withheld(self, task_sid: str) -> Sequence[Json]:
        """Return the recordings of a task with a withheld one."""

    async def bytes(self, path: str) -> bytes:
        """Return the audio at a path."""


class CallProgress(StrEnum):
    """The progress of a call."""

    WAITING = "waiting"
    ON = "in progress"
    CHECKING = "checking"
    RIGHT = "right"
    WRONG = "WRONG"


@dataclass(slots=True)
class Played:
    """A call that is played, for the view and the result.

    `contact`: the console's last answer; `began_after`: the ms from the moment when it had to be
    recorded until media arrived; `settled_after`: the ms from its end until contact and audio were
    available.
    """

    script: Script
    progress: CallProgress = CallProgress.WAITING
    contact: Json | None = None
    began_after: int | None = None
    settled_after: int | None = None
    differences: list[str] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether it has been judged."""
        return self.progress in (CallProgress.RIGHT, CallProgress.WRONG)


def patience_ms(script: Script) -> int:
    """Return how long after its end a call may take to come out right (ms)."""
    return PATIENCE_MS + (RECOVERY_MS if script.expectation.is_recovered else 0)


class Player:
    """Plays and checks calls. `list_agent` adds a line to the list of monitored agents."""

    def __init__(
        self, world: World, sink: Sink, console: Contacts, list_agent: Callable[[str], None]
    ) -> None:
        self._world, self._sink, self._console = world, sink, console
        self._list_agent = list_agent
        self._recordings = RecordedConferences(world)

    async def play(self, calls: Sequence[Played], random: Random) -> None:
        """Play all calls at their times, and check each. Return when the last one is done."""
        async with asyncio.TaskGroup() as group:
            for played in calls:
                steps = disordered(played.script.steps, random)
                group.create_task(self._call(played, steps))
                if (beside := played.script.beside) is not None:
                    group.create_task(self.act(beside, disordered(beside.steps, random)))

    async def act(self, script: Script, steps: Sequence[ScriptStep]) -> None:
        """Play the steps at their times, without any checks."""
        for step in steps:
            await asyncio.sleep((step.at - clock()) / 1000)
            await self._carry_out(script, step)

    async def rubbish(self, sids: Sids) -> None:
        """Send records that a real sink may get too: a test event, an event of an unknown type, and
        records that are not events."""
        await self._sink.put(test_event(sids, clock()))
        await self._sink.put(test_event(sids, clock()) | {"type": "com.twilio.unheard.of"})
        await self._sink.put_bytes(b"this is not JSON")
        await self._sink.put_bytes(b'{"specversion": "1.0", "id": 7, "type": ["wrong"]}')

    async def _call(self, played: Played, steps: Sequence[ScriptStep]) -> None:
        script = played.script
        await asyncio.sleep((script.begins_at - clock()) / 1000)
        played.progress = CallProgress.ON
        await self.act(script, [step for step in steps if step.at <= script.ends_at])
        played.progress = CallProgress.CHECKING
        async with asyncio.TaskGroup() as group:
            late = [step for step in steps if step.at > script.ends_at]
            group.create_task(self.act(script, late))
            group.create_task(self._judge(played))

    async def _carry_out(self, script: Script, step: ScriptStep) -> None:
        if isinstance(step.action, EventSent):
            remember(self._world.events, step.action.event)
        match step.action:
            case EventSent(is_lost=True):
                pass
            case EventSent(event, record=None):
                await self._sink.put(event)
            case EventSent(record=bytes(record)):
                await self._sink.put_bytes(record)
            case AgentListed(line):
                self._list_agent(line)
            case action:
                self._world.apply(action, clock(), seed=script.task_sid, line=script.line)

    async def _judge(self, played: Played) -> None:
        """Check the call repeatedly until it is as expected, or until its time is up. Then note the
        differences."""
        ends_at = played.script.ends_at
        while True:
            found = await self._differences(played)
            played.began_after = began_after(played.script, self._legs(played.script))
            now = clock()
            if not found:
                played.settled_after = now - ends_at
                played.progress = CallProgress.RIGHT
                return
            if now - ends_at > patience_ms(played.script):
                played.differences = found
                played.progress = CallProgress.WRONG
                return
            await asyncio.sleep(POLL_S)

    async def _differences(self, played: Played) -> list[str]:
        try:
            played.contact = await self._console.contact(played.script.task_sid)
            found = await self._compared(played.script, played.contact)
            if (beside := played.script.beside) is not None:
                contact = await self._console.contact(beside.task_sid)
                others = await self._compared(beside, contact)
                found += [f"the other call: {each}" for each in others]
        except ConsoleError as error:
            return [str(error)]
        except (KeyError, TypeError, ValueError) as error:
            return [f"the console's answer violates its contract: {error!r}"]
        return found

    async def _compared(self, script: Script, contact: Json | None) -> list[str]:
        waited = clock() - script.ends_at > patience_ms(script)
        if not settled(script, contact) and not waited:
            return ["not settled"]
        withheld: Sequence[Json] = ()
        if script.expectation.foreign_leg is not None:
            withheld = await self._console.withheld(script.task_sid)
        audio = await self._audio(contact)
        requests = self._world.requests.get(script.task_sid, ())
        return differences(
            script,
            self._legs(script),
            contact,
            audio,
            requests,
            withheld=withheld,
            recorded=self._recorded(script),
        )

    def _recorded(self, script: Script) -> RecordedCall | None:
        if not script.expectation.is_recovered:
            return None
        return self._recordings.of_call(script.task_sid, script.customer_call_sid, clock())

    async def _audio(self, contact: Json | None) -> dict[str, bytes]:
        recordings = contact["recordings"] if contact else []
        return {
            recording["inum"]: await self._console.bytes(recording["audio_url"])
            for recording in recordings
            if recording["audio_url"]
        }

    def _legs(self, script: Script) -> list[WorldLeg]:
        sids = [*script.legs, *filter(None, [script.expectation.foreign_leg])]
        return [self._world.legs[sid] for sid in sids if sid in self._world.legs]
