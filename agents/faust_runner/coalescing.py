"""Work that waits a moment, so that later work of the same key can stand for it."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

W = TypeVar("W")


class Gathering(Generic[W]):
    """At most one piece of work of each key, carried out `seconds` after the first was put, or when
    somebody `settle`s. Whoever puts work does so under `turn`: nothing is put while other work is
    carried out, and where that takes long, because something is away, what comes waits too."""

    def __init__(self, seconds: float, carry_out: Callable[[W], Awaitable[None]]) -> None:
        self.turn = asyncio.Lock()
        self._seconds = seconds
        self._carry_out = carry_out
        self._waiting: dict[Hashable, W] = {}
        self._news = asyncio.Event()

    def take(self, key: Hashable) -> W | None:
        """What waits under that key, which waits no longer."""
        return self._waiting.pop(key, None)

    def put(self, key: Hashable, work: W) -> None:
        """Lets it wait; nothing waits under that key yet."""
        self._waiting[key] = work
        self._news.set()

    def forget(self) -> None:
        """What waits is never carried out."""
        self._waiting.clear()

    async def settle(self) -> None:
        """Returns once all that was put is carried out. Raises what that raises; the work waits on
        then."""
        async with self.turn:
            for key, work in tuple(self._waiting.items()):
                if self._waiting.get(key) is work:  # not forgotten meanwhile
                    await self._carry_out(work)
                    self._waiting.pop(key, None)

    async def run(self) -> None:
        """Works until cancelled. Raises what carrying out raises."""
        while True:
            await self._news.wait()
            await asyncio.sleep(self._seconds)
            self._news.clear()
            await self.settle()
