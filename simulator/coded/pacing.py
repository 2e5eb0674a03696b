"""Call many senders every 20 ms each, spread over the 20 ms, and measure the delays."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

TURN_S = 0.02
SLOTS = 20
SLOT_S = TURN_S / SLOTS
BREATH = 8
"""After this many late slots in a row, other tasks may run."""


class Paced(Protocol):
    """A sender that is called every 20 ms."""

    def turn(self) -> bool:
        """Take a turn. Return False if no more turns are needed."""


@dataclass(slots=True)
class Lateness:
    """The delays of `slots` slots. `late`: how many began a whole turn or more after they were due;
    `worst_ms`: the longest delay."""

    slots: int = 0
    late: int = 0
    worst_ms: float = 0.0

    def note(self, seconds: float) -> None:
        """Note a slot that began `seconds` after it was due."""
        self.slots += 1
        self.late += seconds >= TURN_S
        self.worst_ms = max(self.worst_ms, seconds * 1000)


class Pacer:
    """A wheel of 20 slots of a millisecond. Late slots are carried out at once: none is skipped."""

    def __init__(self) -> None:
        self._wheel: list[list[Paced]] = [[] for _ in range(SLOTS)]
        self.lateness = Lateness()

    def add(self, one: Paced) -> None:
        """Add a sender. Its turns begin within 20 ms."""
        min(self._wheel, key=len).append(one)

    def remove(self, one: Paced) -> None:
        """Remove a sender, if it is present."""
        for slot in self._wheel:
            if one in slot:
                slot.remove(one)

    async def run(self) -> None:
        """Turn the wheel. Never return."""
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
