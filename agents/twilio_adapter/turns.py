"""Callers with a request for Twilio, and their turns at the request gate."""

import asyncio
from typing import Protocol

from pipeline.runtime.twilio_http import TwilioError
from pipeline.twilio.circuit_breaker import Breaker

Urgency = tuple[int, int]


class NoTurn(Exception):
    """The caller's patience ended before its request could go out. `trouble`: Twilio's last error,
    if that was the reason, else None."""

    def __init__(self, trouble: TwilioError | None) -> None:
        super().__init__(str(trouble or "waited for other requests"))
        self.trouble = trouble


class Caller(Protocol):
    """The command that a request is sent for. `probes`: how many probes it has sent."""

    probes: int

    @property
    def name(self) -> str:
        """The name by which callers are distinguished."""
        ...

    @property
    def urgency(self) -> Urgency:
        """Sort key, lowest first."""
        ...

    def patience(self) -> float:
        """Return for how many more seconds the request is worth sending; 0 or less: not at all."""
        ...

    def wake(self) -> None:
        """End the current `pause`, or else the next one."""
        ...

    async def pause(self, seconds: float) -> None:
        """Return after that time, or earlier if `wake` was called or the patience may have
        changed."""
        ...


class Turn:
    """A request that waits for its turn or is under way."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.is_granted = False
        self.is_gone = False
        self.sent_at: float | None = None
        self.limit = asyncio.timeout(None)
        self.watch: asyncio.TimerHandle | None = None
        self.probe: tuple[Breaker, Breaker] | None = None
        """The breaker before and after it, if it is a probe."""

    def cut(self, at: float) -> None:
        """Give up the request at `at` (s of the loop's clock) if it is unanswered by then."""
        if self.sent_at is not None and not self.is_gone and not self.limit.expired():
            self.limit.reschedule(at)
