"""Detect work without progress: set health to bad, and finally end the process.

A disk or a request that hangs raises no error. The process looks healthy and keeps its partitions,
and the records that wait for it expire unread. Another process may have a disk that works.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from agents.metrics import STUCK_SECONDS
from pipeline.runtime.telemetry import Health

log = structlog.get_logger(__name__)


class StuckWork(RuntimeError):
    """The process makes no progress although work waits: end it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds without progress until health is bad and until the process ends, and the interval (s)
    between checks."""

    bad: float = 20.0
    end: float = 150.0
    look_every: float = 2.0


LIMITS = Limits()


class Movement:
    """Measures for how long work has made no progress. Pure: it is given the observations."""

    def __init__(self) -> None:
        self._moved_at: float | None = None
        self._last: object = None

    def see(self, at: float, *, waits: bool, moved: object) -> float:
        """Return for how long (s) work has been waiting without progress at time `at` (s). `waits`:
        whether there is work; `moved`: a value that differs after every progress."""
        if not waits or moved != self._last or self._moved_at is None:
            self._moved_at = at
        self._last = moved
        return at - self._moved_at


async def end_if_stuck(
    look: Callable[[], tuple[str, object]],
    health: Health,
    limits: Limits = LIMITS,
    end: Callable[[], None] | None = None,
) -> None:
    """Check every `look_every` seconds; call `end` and raise `StuckWork` if the work is stuck.

    `look` returns a description of the waiting work (empty if there is none) and a value that
    differs after every progress.
    """
    loop = asyncio.get_running_loop()
    movement = Movement()
    while True:
        what, moved = look()
        seconds = movement.see(loop.time(), waits=bool(what), moved=moved)
        STUCK_SECONDS.set(seconds)
        if seconds < limits.bad:
            health.good("stuck")
        else:
            health.bad("stuck", f"no progress for {seconds:.0f} s: {what}")
        if seconds >= limits.end:
            log.critical("no progress; ending the process", what=what, seconds=seconds)
            (end or end_process_soon)()
            raise StuckWork(what)
        await asyncio.sleep(limits.look_every)


def end_process_soon(status: int = 1) -> None:
    """End this process in 3 s with `status`, even if an app or a thread does not stop. Otherwise it
    would keep the process alive, and the role would not be restarted."""
    timer = threading.Timer(3.0, os._exit, (status,))
    timer.daemon = True
    timer.start()
