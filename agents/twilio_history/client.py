"""Read Twilio's records of calls: single resources and lists, within the shared limit on requests.

A request that Twilio throttled, or did not answer, is repeated after a growing pause. Meanwhile the
role's health says that Twilio cannot be reached.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import stamina

from agents.twilio_history.membership import shared_permits
from agents.twilio_history.metrics import HISTORY_REQUESTS
from agents.twilio_history.permits import RequestPermits
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from pipeline.runtime.twilio_http import TwilioError, Values
from pipeline.runtime.twilio_rest import RestClient, account_of, is_passing, is_throttled
from pipeline.twilio.errors import ErrorVerdict, health_of_twilio
from pipeline.twilio.paging import LARGEST_PAGE, PageElsewhere, items_of, next_page

T = TypeVar("T")

REQUEST_S = 10.0
"""The time limit (s) of one request. A permit must not be held for longer
(`membership.GRACE_S`)."""
ATTEMPTS = 8
PAUSE_S = (0.5, 60.0)
MAX_PAGES = 1_000
"""A list with more pages than this is refused: ask for a shorter period."""
SLOW_S = 5.0
"""Twilio is reported as unreachable if no request succeeded for this long after one failed."""
HEALTH = "twilio"


class HistoryApi:
    """One account's records. All methods raise `TwilioError`, after repeating the request if that
    may help. `rest`: the client for other kinds of requests, which must be sent by `carry_out`."""

    def __init__(
        self,
        rest: RestClient,
        permits: RequestPermits,
        health: Health,
        *,
        attempts: int = ATTEMPTS,
        pause_s: tuple[float, float] = PAUSE_S,
    ) -> None:
        self.rest = rest
        self.account_sid = rest.account_sid
        self._permits = permits
        self._health = health
        self._attempts = attempts
        self._pause_s = pause_s
        self._failing_since: float | None = None

    async def get(self, what: str, url: str, query: Values | None = None) -> dict[str, Any]:
        """Return a resource. `what`: the kind of request, for metrics."""
        return await self.carry_out(what, lambda: self.rest.exchange("GET", url, query or {}))

    async def pages(
        self, what: str, url: str, key: str, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield the items of each page of a list. `key`: their name in the answer."""
        answer = await self.get(what, url, {"PageSize": str(LARGEST_PAGE), **(query or {})})
        for _ in range(MAX_PAGES):
            yield items_of(answer, key)
            try:
                following = next_page(url, answer, self.rest.base_url)
            except PageElsewhere as error:
                raise TwilioError(0, None, str(error)) from None
            if following is None:
                return
            answer = await self.get(what, following)
        raise TwilioError(0, None, f"{url} has more than {MAX_PAGES} pages")

    async def rows(
        self, what: str, url: str, key: str, query: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """Return the items of all pages of a list, for lists that are known to be short."""
        return [item async for page in self.pages(what, url, key, query) for item in page]

    async def carry_out(self, what: str, request: Callable[[], Awaitable[T]]) -> T:
        """Send any request with a permit, and return its result.

        `request` sends one request and ends within `REQUEST_S`: read long answers in parts (HTTP
        ranges). It must be safe to repeat.
        """
        async for attempt in stamina.retry_context(
            on=lambda error: is_passing(error, is_safe=True),
            attempts=self._attempts,
            timeout=None,
            wait_initial=self._pause_s[0],
            wait_max=self._pause_s[1],
        ):
            with attempt:
                return await self._attempt(what, request)
        raise AssertionError("stamina always returns or raises")

    async def _attempt(self, what: str, request: Callable[[], Awaitable[T]]) -> T:
        async with self._permits.permit():
            try:
                async with asyncio.timeout(REQUEST_S + 1) as limit:
                    answer = await request()
            except TimeoutError:
                if not limit.expired():
                    raise
                error = TwilioError(0, None, f"no answer within {REQUEST_S:g} s")
                self._failed(what, error)
                raise error from None
            except TwilioError as error:
                self._failed(what, error)
                raise
            HISTORY_REQUESTS.labels(what, "ok").inc()
            self._permits.answered()
            self._works()
            return answer

    def _failed(self, what: str, error: TwilioError) -> None:
        HISTORY_REQUESTS.labels(what, str(error.code or error.status)).inc()
        if is_throttled(error):
            self._permits.throttled(error.retry_after)
            return
        match health_of_twilio(error.status, error.code):
            case ErrorVerdict.REFUSED:
                self._health.bad(HEALTH, f"Twilio refuses the credentials: {error}")
            case ErrorVerdict.BACK_OFF:
                now = asyncio.get_running_loop().time()
                if self._failing_since is None:
                    self._failing_since = now
                if now - self._failing_since >= SLOW_S:
                    self._health.bad(HEALTH, f"Twilio does not answer: {error}")
            case _:
                self._works()

    def _works(self) -> None:
        self._failing_since = None
        self._health.good(HEALTH)


@asynccontextmanager
async def history_api(settings: Settings, health: Health) -> AsyncIterator[HistoryApi]:
    """Provide the API of the configured account, with this process's part of the shared permits.
    Raise `SettingsError` if the credentials are not set."""
    account, credentials = account_of(settings)
    rest = RestClient(account, credentials, settings.twilio_api_url, REQUEST_S)
    async with rest, shared_permits(settings) as permits:
        yield HistoryApi(rest, permits, health)
