"""Notices work that does not move, turns health bad, and at last ends the process.

A disk or a request that hangs raises nothing: the process looks well and keeps its partitions, and
what waits for it expires unread. Another process may have a disk that works.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from prometheus_client import Gauge

from agents.process_end import end_process_soon
from pipeline.runtime.telemetry import Health

log = structlog.get_logger(__name__)

STUCK = Gauge(
    "flexcapture_stuck_seconds",
    "For how long work that waits has not moved, 0 while it does; the process ends at 150",
)


class StuckWork(RuntimeError):
    """The process does nothing although something waits: end it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """After how many seconds without a movement health is bad, after how many the process ends,
    and how often (s) it is looked."""

    bad: float = 20.0
    end: float = 150.0
    look_every: float = 2.0


LIMITS = Limits()


class Movement:
    """For how long work has not moved. Pure: it is told what is seen."""

    def __init__(self) -> None:
        self._moved_at: float | None = None
        self._last: object = None

    def see(self, at: float, *, waits: bool, moved: object) -> float:
        """Return for how long (s) work has been waiting without a movement. `waits`: whether there
        is any; `moved`: a value that differs whenever something was done since the last look."""
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
    """Look every two seconds; raise `StuckWork` after `end` was called. `look` returns what waits,
    for a person, empty if nothing does, and a value that differs whenever something was done."""
    loop = asyncio.get_running_loop()
    movement = Movement()
    while True:
        what, moved = look()
        seconds = movement.see(loop.time(), waits=bool(what), moved=moved)
        STUCK.set(seconds)
        if seconds < limits.bad:
            health.good("stuck")
        else:
            health.bad("stuck", f"nothing has moved for {seconds:.0f} s: {what}")
        if seconds >= limits.end:
            log.critical("work does not move; the process ends", what=what, seconds=seconds)
            (end or end_process_soon)()
            raise StuckWork(what)
        await asyncio.sleep(limits.look_every)
