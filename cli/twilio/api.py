"""Twilio's administrative APIs: Event Streams, TaskRouter, Monitor, as the commands use them."""

from collections.abc import Callable, Mapping
from typing import Any, Self

import stamina

from pipeline.runtime.twilio_http import TwilioError, Values
from pipeline.runtime.twilio_rest import RestClient, pause_before_repeat
from pipeline.twilio.paging import PageElsewhere, items_of, next_page
from pipeline.twilio.urls import API

REQUEST_S = 10.0
ATTEMPTS = 5
PAUSE_S = (0.3, 4.0)
MAX_RETRY_AFTER_S = 60.0
"""The longest pause (s) that Twilio may ask for with Retry-After: after a longer one the request is
repeated earlier."""
PAGE_SIZE = "50"
MAX_PAGES = 200


class AdminApi:
    """One account's administrative APIs; `async with` opens and closes it. All methods raise
    `TwilioError`, after requests that can be repeated were repeated.

    `attempts`: how often a request is sent at most; `dates`: called with the time of each answer by
    Twilio's clock (Unix time, s).
    """

    def __init__(
        self,
        account_sid: str,
        credentials: tuple[str, str],
        base_url: str | None,
        *,
        timeout_s: float = REQUEST_S,
        attempts: int = ATTEMPTS,
        dates: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.account_sid = account_sid
        self._rest = RestClient(account_sid, credentials, base_url, timeout_s, dates)
        self._attempts = attempts

    async def __aenter__(self) -> Self:
        await self._rest.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._rest.__aexit__()

    async def check_account(self) -> None:
        """Send a request that belongs to no call: if it is refused, so is the account."""
        url = f"{API}/2010-04-01/Accounts/{self.account_sid}/Conferences.json"
        await self.get(url, {"PageSize": "1"})

    async def get(self, url: str, query: Values | None = None) -> dict[str, Any]:
        """Return a resource."""
        return await self._patiently("GET", url, query or {}, is_safe=True)

    async def post(
        self, url: str, form: Values | None = None, *, is_safe: bool = False
    ) -> dict[str, Any]:
        """Change a resource. `is_safe`: the request may be repeated even if Twilio may have carried
        it out."""
        return await self._patiently("POST", url, form or {}, is_safe=is_safe)

    async def delete(self, url: str) -> None:
        """Delete a resource. One that does not exist is no error."""
        try:
            await self._patiently("DELETE", url, {}, is_safe=True)
        except TwilioError as error:
            if error.status != 404:
                raise

    async def rows(
        self, url: str, key: str, query: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """Return the items of all pages of a list. `key`: their name in an answer that does not
        state it (`meta.key`)."""
        items: list[dict[str, Any]] = []
        answer = await self.get(url, {"PageSize": PAGE_SIZE, **(query or {})})
        for _ in range(MAX_PAGES):
            items += items_of(answer, key)
            try:
                following = next_page(url, answer, self._rest.base_url)
            except PageElsewhere as error:
                raise TwilioError(0, None, str(error)) from None
            if following is None:
                return items
            answer = await self.get(following)
        raise TwilioError(0, None, f"{url} has more than {MAX_PAGES} pages")

    async def _patiently(
        self, method: str, url: str, values: Values, *, is_safe: bool
    ) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        async for attempt in stamina.retry_context(
            on=lambda error: pause_before_repeat(error, MAX_RETRY_AFTER_S, is_safe=is_safe),
            attempts=self._attempts,
            timeout=None,
            wait_initial=PAUSE_S[0],
            wait_max=PAUSE_S[1],
        ):
            with attempt:
                answer = await self._rest.exchange(method, url, values)
        return answer
