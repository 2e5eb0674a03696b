"""Callers that want to ask Twilio something, and their turns."""

import asyncio
from typing import Protocol

from agents.twilio_adapter.client import TwilioError
from pipeline.twilio.circuit_breaker import Breaker

Urgency = tuple[int, int]


class NoTurn(Exception):
    """The caller's patience ended before its request could go out. `trouble` is Twilio's last
    error, where that was the reason."""

    def __init__(self, trouble: TwilioError | None) -> None:
        super().__init__(str(trouble or "waited for other requests"))
        self.trouble = trouble


class Caller(Protocol):
    """Whoever wants to ask something."""

    probes: int

    @property
    def name(self) -> str:
        """Tells callers apart."""
        ...

    @property
    def urgency(self) -> Urgency:
        """The least goes first."""
        ...

    def patience(self) -> float:
        """For how many seconds more asking is worth while; none: 0 or less."""
        ...

    def wake(self) -> None:
        """Ends `pause`, or the next one."""
        ...

    async def pause(self, seconds: float) -> None:
        """Returns after that time, or when `wake` was called, or patience may have changed."""
        ...


class Turn:
    """A request that waits, or is under way."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.is_granted = False
        self.is_gone = False
        self.sent_at: float | None = None
        self.limit = asyncio.timeout(None)
        self.watch: asyncio.TimerHandle | None = None
        self.probe: tuple[Breaker, Breaker] | None = None
        """Where it is one: the breaker before it and after."""

    def cut(self, at: float) -> None:
        """Gives an unanswered request up at that time of the loop."""
        if self.sent_at is not None and not self.is_gone and not self.limit.expired():
            self.limit.reschedule(at)
