"""Coalescing: work waits a moment, so that later work with the same key can replace it."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

W = TypeVar("W")


class Gathering(Generic[W]):
    """Holds at most one piece of work per key, and carries it out `seconds` after the first was
    put, or at `settle`.

    The caller must hold `turn` while it puts work. Nothing is put while other work is carried out;
    if that takes long, because Kafka or the database does not answer, new work waits too.
    """

    def __init__(self, seconds: float, carry_out: Callable[[W], Awaitable[None]]) -> None:
        self.turn = asyncio.Lock()
        self._seconds = seconds
        self._carry_out = carry_out
        self._waiting: dict[Hashable, W] = {}
        self._news = asyncio.Event()

    def take(self, key: Hashable) -> W | None:
        """Remove and return the work that waits under a key, or None."""
        return self._waiting.pop(key, None)

    def put(self, key: Hashable, work: W) -> None:
        """Let work wait under a key. No other work may be waiting under it."""
        self._waiting[key] = work
        self._news.set()

    def forget(self) -> None:
        """Discard all waiting work."""
        self._waiting.clear()

    async def settle(self) -> None:
        """Carry out all waiting work. Raise what `carry_out` raises; the failed work then keeps
        waiting."""
        async with self.turn:
            for key, work in tuple(self._waiting.items()):
                if self._waiting.get(key) is work:  # not discarded meanwhile
                    await self._carry_out(work)
                    self._waiting.pop(key, None)

    async def run(self) -> None:
        """Carry out work when its time has come, until cancelled. Raise what `carry_out`
        raises."""
        while True:
            await self._news.wait()
            await asyncio.sleep(self._seconds)
            self._news.clear()
            await self.settle()
