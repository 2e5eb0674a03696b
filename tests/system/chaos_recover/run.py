"""The run: calls are played while the bridge, then the gateways are away; then missing events and
audio are found and recovered."""

import asyncio
import time
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from random import Random
from typing import Any

from simulator.console import ConsoleError
from simulator.disorder import disordered
from simulator.media import clock
from simulator.script import Json, Script
from tests.system.chaos_recover.judging import UNCERTAIN_MS
from tests.system.chaos_recover.options import Options
from tests.system.chaos_recover.plan import GONE, Part, PlannedCall, planned, script_of
from tests.system.chaos_recover.stage import RecoverStage

LEAD_MS = 1_000
SPACING_MS = 400
BEATS = (28.0, 26.0)
"""How far the clock is set forward between calls while the bridge is away: an hour with them."""
GATEWAYS_MINUTES = 9.0
KILLED_AFTER_S, BACK_AFTER_S = 18.0, 8.0
COMPARED_MINUTES = 36.0
"""Until all calls are in a period that is compared: every 15 minutes, without the last 20."""
DUE_MINUTES = 6.0
DUE_EVERY_S = 20.0
"""So often the clock is set forward while calls are recovered: pauses of retrievals end sooner."""
QUIET_S = 3.0
POLL_S = 2.0


@dataclass(slots=True)
class RecoverRun:
    """The calls that were played, and the product's results. `contacts`: by task SID."""

    options: Options
    stage: RecoverStage
    scripts: list[tuple[PlannedCall, Script]] = field(default_factory=list)
    contacts: dict[str, Json] = field(default_factory=dict)
    unsettled: int = 0

    async def play(self) -> None:
        """Play all calls, then wait until each has its final result."""
        calls = planned(self.options.calls, self.options.gone, Random(self.options.seed))
        by_part = {part: [c for c in calls if c.part is part] for part in Part}
        await self._in_groups(by_part[Part.BEFORE])
        await self._without_bridge(by_part[Part.BRIDGE])
        await self._without_gateways(by_part[Part.GATEWAYS])
        await self._in_groups(by_part[Part.AFTER])
        self.stage.time.forward(COMPARED_MINUTES)
        await self._recovered()

    async def _without_bridge(self, calls: Sequence[PlannedCall]) -> None:
        self.stage.kill("bridge")
        third = -(-len(calls) // 3)
        for number in range(3):
            await self._in_groups(calls[number * third : (number + 1) * third])
            if number < len(BEATS):
                self._forward(BEATS[number])
        self.stage.restart("bridge")
        await self.stage.healthy()
        self.stage.say("the bridge is back")

    async def _without_gateways(self, calls: Sequence[PlannedCall]) -> None:
        half = len(calls) // 2
        for first in range(0, half, self.options.at_once):
            group = calls[first : min(half, first + self.options.at_once)]
            await self._during(group, self._killed_gateway(), spacing_ms=200)
            self._forward(GATEWAYS_MINUTES)
            self.stage.restart("gateway")
            await self.stage.healthy()
        for first in range(half, len(calls), self.options.at_once):
            group = calls[first : first + self.options.at_once]
            self.stage.kill("gateway")
            await self._during(group, self._returning_gateway(), spacing_ms=200)
            await self.stage.healthy()
            self._forward(GATEWAYS_MINUTES)

    async def _killed_gateway(self) -> None:
        await asyncio.sleep(KILLED_AFTER_S)
        self.stage.kill("gateway")

    async def _returning_gateway(self) -> None:
        await asyncio.sleep(BACK_AFTER_S)
        self.stage.restart("gateway")
        self.stage.say("the gateway is back")

    def _forward(self, minutes: float) -> None:
        self.stage.time.forward(minutes)
        self.stage.say(f"{minutes:g} minutes later")

    async def _in_groups(self, calls: Sequence[PlannedCall]) -> None:
        for first in range(0, len(calls), self.options.at_once):
            await self._play(calls[first : first + self.options.at_once])

    async def _during(
        self,
        calls: Sequence[PlannedCall],
        fault: Coroutine[Any, Any, None],
        spacing_ms: int,
    ) -> None:
        await asyncio.gather(fault, self._play(calls, spacing_ms))

    async def _play(self, calls: Iterable[PlannedCall], spacing_ms: int = SPACING_MS) -> None:
        begins_at, random = clock() + LEAD_MS, Random(self.options.seed + len(self.scripts))
        async with asyncio.TaskGroup() as group:
            for number, call in enumerate(calls):
                account = self.stage.simulation.account
                at = begins_at + number * spacing_ms
                script = script_of(call, at, account, self.options.lost)
                self.scripts.append((call, script))
                if call.quirk is not None:
                    recorded = self.stage.rest.recordings.recorded
                    recorded.quirks[script.task_sid] = call.quirk
                steps = disordered(script.steps, random)
                group.create_task(self.stage.player.act(script, steps))
        await asyncio.sleep(QUIET_S)
        self.stage.say(f"{len(self.scripts)} calls were played")

    async def _recovered(self) -> None:
        killing = asyncio.create_task(self._keep_killing())
        moving = asyncio.create_task(self._keep_forwarding())
        try:
            await self._settled()
        finally:
            for task in (killing, moving):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _settled(self) -> None:
        """Wait until every contact has a result that nothing changes any more."""
        deadline = time.monotonic() + self.options.patience
        last: dict[str, Json] = {}
        while time.monotonic() < deadline:
            await asyncio.sleep(POLL_S)
            await self._look()
            waiting = [s.task_sid for c, s in self.scripts if not self._is_final(c, s.task_sid)]
            self.unsettled = len(waiting)
            if not waiting and last == self.contacts:
                return
            last = dict(self.contacts)
        self.stage.say(f"{self.unsettled} contacts are not settled")

    async def _look(self) -> None:
        for _, script in self.scripts:
            with suppress(ConsoleError):
                contact = await self.stage.console.contact(script.task_sid)
                if contact is not None:
                    self.contacts[script.task_sid] = contact

    def _is_final(self, call: PlannedCall, task_sid: str) -> bool:
        """Whether the call was compared, and nothing is to be recovered any more."""
        contact = self.contacts.get(task_sid)
        if contact is None or contact["state"] != "ended" or contact["capture"] == "pending":
            return False
        if call.quirk not in GONE and any(map(_is_open, contact["gaps"])):
            return False
        return bool(contact["reconciliation"]) or not _was_taken(contact)

    async def _keep_forwarding(self) -> None:
        while True:
            await asyncio.sleep(DUE_EVERY_S)
            self._forward(DUE_MINUTES)

    async def _keep_killing(self) -> None:
        random = Random(self.options.seed + 1)
        for role in cycle(self.options.kill):
            if not self.options.every:
                return
            await asyncio.sleep(self.options.every * random.uniform(0.5, 1.5))
            self.stage.kill(role)
            self.stage.restart(role)


def _is_open(gap: Json) -> bool:
    return gap["covered_by"] is None and gap["duration_ms"] >= UNCERTAIN_MS


def _was_taken(contact: Json) -> bool:
    """Whether an agent accepted the call: only such calls are in the lists that are compared."""
    return any(session["started_at"] for session in contact["sessions"])
