"""How often a Faust role lets the other tasks of its event loop run.

Faust's compiled stream gives way before each event: `await sleep(0)` in
`faust/_cython/streams.pyx`. While a backlog is worked off, such a turn of the loop costs a fifth of
the role's processor time. Here it gives way once in `TURN_SECONDS`. When no event waits, the stream
waits for the next one, and all other tasks run.
"""

import asyncio
from collections.abc import Callable
from time import monotonic

from faust import streams

TURN_SECONDS = 0.005
"""Other tasks (writing, heartbeats of health, HTTP) may wait so much longer."""


class SeldomSleep:
    """A replacement of `asyncio.sleep` for a caller that only gives way. `clock`: s."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._gave_way = clock()

    async def __call__(self, seconds: float) -> None:
        """Sleep for `seconds`; for 0 s only if the latest turn was `TURN_SECONDS` ago."""
        if seconds <= 0 and self._clock() - self._gave_way < TURN_SECONDS:
            return
        await asyncio.sleep(seconds)
        self._gave_way = self._clock()


def give_way_seldom() -> None:
    """Let the streams of this process give way once in `TURN_SECONDS`. Without Faust's compiled
    module, which is optional, nothing changes."""
    if streams._CStreamIterator is not None:  # noqa: SLF001 - not public
        from faust._cython import streams as compiled  # noqa: PLC0415 - optional

        compiled.sleep = SeldomSleep()
