"""Calls many things every 20 ms each, spread over the 20 ms, and says how late it was."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

TURN_S = 0.02
SLOTS = 20
SLOT_S = TURN_S / SLOTS
BREATH = 8
"""So many slots are made up for in a row before others may run."""


class Paced(Protocol):
    """What is paced."""

    def turn(self) -> bool:
        """Its turn has come; False: it wants no more."""


@dataclass(slots=True)
class Lateness:
    """Of `slots` slots, how many were begun `late` (a whole turn or more after they were due), and
    the greatest delay (ms)."""

    slots: int = 0
    late: int = 0
    worst_ms: float = 0.0

    def note(self, seconds: float) -> None:
        """A slot was begun so long after it was due."""
        self.slots += 1
        self.late += seconds >= TURN_S
        self.worst_ms = max(self.worst_ms, seconds * 1000)


class Pacer:
    """A wheel of 20 slots of a millisecond. What a slot comes too late for is made up for at once:
    nothing is left out."""

    def __init__(self) -> None:
        self._wheel: list[list[Paced]] = [[] for _ in range(SLOTS)]
        self.lateness = Lateness()

    def add(self, one: Paced) -> None:
        """Its turns begin within 20 ms."""
        min(self._wheel, key=len).append(one)

    def remove(self, one: Paced) -> None:
        """No more turns. One that is not here is no error."""
        for slot in self._wheel:
            if one in slot:
                slot.remove(one)

    async def run(self) -> None:
        """Turns the wheel. Never returns."""
        loop = asyncio.get_running_loop()
        due, number = loop.time(), 0
        while True:
            late = loop.time() - due
            if late < 0:
                await asyncio.sleep(-late)
                late = max(0.0, loop.time() - due)
            elif number % BREATH == 0:
                await asyncio.sleep(0)
            slot = self._wheel[number % SLOTS]
            if slot:
                self.lateness.note(late)
            self._wheel[number % SLOTS] = [one for one in slot if one.turn()]
            due, number = due + SLOT_S, number + 1
