"""The turns of coded media streams."""

import asyncio

from simulator.coded.pacing import SLOTS, Pacer


class Counted:
    """Takes turns until it has had enough."""

    def __init__(self, enough: int) -> None:
        self.left = enough
        self.had_enough = asyncio.Event()

    def turn(self) -> bool:
        """One more."""
        self.left -= 1
        if self.left == 0:
            self.had_enough.set()
        return self.left > 0


async def test_everyone_gets_every_turn() -> None:
    """Turns are spread over the slots, and a finished sender gets no more, even if the wheel was
    delayed."""
    pacer = Pacer()
    several = [Counted(5) for _ in range(2 * SLOTS + 1)]
    for one in several:
        pacer.add(one)
    assert {2, 3} == {len(slot) for slot in pacer._wheel}
    gone = several.pop()
    pacer.remove(gone)
    pacer.remove(gone)
    wheel = asyncio.create_task(pacer.run())
    async with asyncio.timeout(30):
        await asyncio.gather(*(one.had_enough.wait() for one in several))
    wheel.cancel()
    assert ({0}, 5) == ({one.left for one in several}, gone.left)
    assert [] == [one for slot in pacer._wheel for one in slot]
    assert pacer.lateness.slots >= 5 * SLOTS
