"""Coroutines that are begun at once, and need a task only if they have to wait.

Most calls of a producer's `send` return without waiting. A task for each would cost several times
what they do. For coroutines that do not ask for the task they run in, as `asyncio.timeout` does.
"""

import asyncio
import types
from collections.abc import Coroutine, Generator
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Unfinished(Generic[T]):
    """A coroutine that has begun, and waits."""

    def __init__(self, begun: Coroutine[Any, Any, T], pending: Any) -> None:
        self._begun = begun
        self._pending = pending

    async def finish(self) -> T:
        """Wait for it, in a task. Return, or raise, what it does. To be called once."""
        result: T = await _rest(self._begun, self._pending)
        return result


def begin(work: Coroutine[Any, Any, T]) -> T | Unfinished[T]:
    """Run a coroutine until it has to wait. Return its result, or the rest of it. Raises what it
    raises by then."""
    try:
        pending = work.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    return Unfinished(work, pending)


def in_task(unfinished: Unfinished[T]) -> asyncio.Task[T]:
    """Finish it in a task."""
    return asyncio.create_task(unfinished.finish())


@types.coroutine
def _rest(begun: Any, pending: Any) -> Generator[Any, None, Any]:
    """Run what is left of a coroutine that has begun, and waits for `pending`."""
    while True:
        try:
            yield pending
        except BaseException as error:  # noqa: BLE001 - it is the coroutine's to deal with
            step = partial(begun.throw, error)
        else:
            step = partial(begun.send, None)
        try:
            pending = step()
        except StopIteration as ended:
            return ended.value
