"""Permits for requests: how many this process may have in flight, and when it may send the next."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from agents.twilio_history.metrics import (
    HISTORY_IN_FLIGHT,
    HISTORY_PAUSE_SECONDS,
    HISTORY_PERMITS,
    HISTORY_WAITING,
)
from pipeline.runtime.twilio_http import TwilioError
from pipeline.twilio import request_pace
from pipeline.twilio.request_pace import FREE


class RequestPermits:
    """The permits of this process. `grant` and `withdraw` change their number; `permit` uses one.

    `still_held`: called before each request; returns whether this process still has the permits;
    `jitter`: returns a random number from 0 to 1.
    """

    def __init__(
        self,
        still_held: Callable[[], bool] = lambda: True,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._still_held = still_held
        self._jitter = jitter
        self._granted = 0
        self._pace = FREE
        self._waiting = 0
        self._in_flight: dict[object, asyncio.Timeout] = {}
        self._changed = asyncio.Event()
        self.wanted = asyncio.Event()
        """Set while a request waits or is in flight."""

    @property
    def granted(self) -> int:
        """How many permits this process has."""
        return self._granted

    def grant(self, permits: int) -> None:
        """Set the number of permits."""
        self._granted = permits
        HISTORY_PERMITS.set(permits)
        self._changed.set()

    async def withdraw(self, grace_s: float) -> None:
        """Take all permits back. Return once no request is in flight. Requests that are still in
        flight after `grace_s` seconds fail with `TwilioError`."""
        self.grant(0)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace_s
        while self._in_flight:
            for limit in self._in_flight.values():
                limit.reschedule(deadline)
            await self._news(1.0)

    def look_again(self) -> None:
        """Check again whether waiting requests may go out: `still_held` may have changed."""
        self._changed.set()

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[None]:
        """Wait for a permit, and hold it while the block runs. The block sends one request. It
        fails with `TwilioError` if the permit is taken back before the request has ended."""
        self._waiting += 1
        self._show()
        try:
            while (wait_s := self._wait_s()) > 0:
                await self._news(wait_s)
        finally:
            self._waiting -= 1
            self._show()
        key = object()
        try:
            async with asyncio.timeout(None) as limit:
                self._in_flight[key] = limit
                self._show()
                yield
        except TimeoutError:
            if limit.expired():
                raise TwilioError(0, None, "given up: the permit was taken back") from None
            raise
        finally:
            self._in_flight.pop(key, None)
            self._show()
            self._changed.set()

    def throttled(self, retry_after_s: float) -> None:
        """Note that Twilio answered 429."""
        wait_ms = round(retry_after_s * 1000)
        self._pace = request_pace.throttled(self._pace, _now(), wait_ms, self._jitter())
        self._show()

    def answered(self) -> None:
        """Note that Twilio carried out a request."""
        self._pace = request_pace.answered(self._pace)
        self._show()
        self._changed.set()

    def _wait_s(self) -> float:
        """Return 0 if a request may go out now; else the longest wait before the next check, s."""
        if len(self._in_flight) >= self._pace.most(self._granted) or not self._still_held():
            return 1.0
        return max(0, self._pace.not_before - _now()) / 1000

    async def _news(self, wait_s: float) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(wait_s):
                await self._changed.wait()
        except TimeoutError:
            return

    def _show(self) -> None:
        HISTORY_WAITING.set(self._waiting)
        HISTORY_IN_FLIGHT.set(len(self._in_flight))
        HISTORY_PAUSE_SECONDS.set(self._pace.pause_ms / 1000)
        if self._waiting or self._in_flight:
            self.wanted.set()
        else:
            self.wanted.clear()


def _now() -> int:
    return int(asyncio.get_running_loop().time() * 1000)
