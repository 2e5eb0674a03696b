"""Check with Twilio whether the account itself is refused, by a request that belongs to no call.

A 401 or 403 may concern only the call in the request (a SID of another account, say), and any
writer of a task's attributes can cause one. So a refusal counts as one of the account only after
this second request, which no task can influence.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pipeline.runtime.twilio_http import TwilioError
from pipeline.twilio.errors import ErrorVerdict, health_of_twilio

FRESH_S = 1.0
"""An answer applies to refusals within this time after the check was sent."""
TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class AccountState:
    """The result of a check. `verdict`: DONE: Twilio serves the account; REFUSED: it does not;
    BACK_OFF: unknown. `sent_at`: when the check was sent, seconds of the loop's clock."""

    verdict: ErrorVerdict
    sent_at: float
    error: TwilioError | None = None


class AccountProbe:
    """Sends `request` at most once per `FRESH_S`, for any number of concurrent callers."""

    def __init__(self, request: Callable[[], Awaitable[None]]) -> None:
        self._request = request
        self._asking: asyncio.Task[AccountState] | None = None
        self._sent_at = 0.0

    async def state(self) -> AccountState:
        """Return the result of a check that was sent less than `FRESH_S` ago or is still under
        way."""
        loop = asyncio.get_running_loop()
        asking = self._asking
        if asking is None or (asking.done() and loop.time() - self._sent_at >= FRESH_S):
            self._sent_at = loop.time()
            asking = self._asking = loop.create_task(self._ask(self._sent_at), name="account probe")
        return await asyncio.shield(asking)

    async def _ask(self, sent_at: float) -> AccountState:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._request()
        except TimeoutError:
            return AccountState(ErrorVerdict.BACK_OFF, sent_at)
        except TwilioError as error:
            return AccountState(health_of_twilio(error.status, error.code), sent_at, error)
        return AccountState(ErrorVerdict.DONE, sent_at)
