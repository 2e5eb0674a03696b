"""Run coroutines at once, and make a task only if they have to wait.

Most calls of a producer's `send` return without waiting. A task for each would cost several times
the call itself. Use this only for coroutines that do not use the task they run in, as
`asyncio.timeout` does.
"""

import asyncio
import types
from collections.abc import Coroutine, Generator
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Unfinished(Generic[T]):
    """A coroutine that has begun and is waiting."""

    def __init__(self, begun: Coroutine[Any, Any, T], pending: Any) -> None:
        self._begun = begun
        self._pending = pending

    async def finish(self) -> T:
        """Wait for it, in a task. Return its result or raise its error. Call this once."""
        result: T = await _rest(self._begun, self._pending)
        return result


def begin(work: Coroutine[Any, Any, T]) -> T | Unfinished[T]:
    """Run a coroutine until it has to wait. Return its result, or the rest of it. Raise the errors
    that it raises up to then."""
    try:
        pending = work.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    return Unfinished(work, pending)


@types.coroutine
def _rest(begun: Any, pending: Any) -> Generator[Any, None, Any]:
    """Run the rest of a coroutine that has begun and waits for `pending`."""
    while True:
        try:
            yield pending
        except BaseException as error:  # noqa: BLE001 - the coroutine handles it
            step = partial(begun.throw, error)
        else:
            step = partial(begun.send, None)
        try:
            pending = step()
        except StopIteration as ended:
            return ended.value


async def first_of(*events: asyncio.Event) -> None:
    """Return once one of the events is set."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
