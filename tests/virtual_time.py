"""An event loop with a clock that jumps to the next timer instead of waiting: minutes pass in
milliseconds, always in the same order. Use it for code without sockets and threads."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if timeout is None and not ready:
            raise RuntimeError("nothing will ever happen again")
        if not ready:
            self.now += timeout or 0.0
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its `time()` begins at 1,000 s."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


class VirtualPolicy(asyncio.DefaultEventLoopPolicy):
    """Its loops are virtual. A fixture `event_loop_policy` that returns it makes all asynchronous
    tests of a module run in virtual time."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return VirtualLoop()


def virtually(main: Coroutine[Any, Any, T]) -> T:
    """What `main` returns, run in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def virtual_ms() -> int:
    """Now, in ms of the running loop."""
    return round(asyncio.get_running_loop().time() * 1_000)
