"""Twilio's administrative APIs: Event Streams, TaskRouter, Monitor. No role of the pipeline imports
this."""

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Self
from urllib.parse import urljoin

import stamina
from aiohttp import ClientError
from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from pipeline.runtime.settings import Settings, SettingsError
from pipeline.runtime.twilio_http import API, TwilioError, TwilioHttpClient, Values, checked
from pipeline.twilio.errors import TOO_MANY, ErrorVerdict, health_of_twilio

EVENTS = "https://events.twilio.com/v1"
TASKROUTER = "https://taskrouter.twilio.com/v1"
MONITOR = "https://monitor.twilio.com/v1"
REQUEST_S = 10.0
ATTEMPTS = 5
PAUSE_S = (0.3, 4.0)
PAGE_SIZE = "50"
LARGEST_PAGE = "1000"
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
        self._user, self._password = credentials
        self._base_url = base_url
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._dates = dates

    async def __aenter__(self) -> Self:
        self._http = TwilioHttpClient(self._base_url, self._timeout_s)
        self._client = Client(
            self._user, self._password, account_sid=self.account_sid, http_client=self._http
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

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
            meta = answer.get("meta")
            stated = meta if isinstance(meta, dict) else {}
            found = answer.get(str(stated.get("key") or key), answer.get(key))
            items += [i for i in found if isinstance(i, dict)] if isinstance(found, list) else []
            following = stated.get("next_page_url")
            if not isinstance(following, str) or not following:
                return items
            answer = await self.get(urljoin(url, following))
        raise TwilioError(0, None, f"{url} has more than {MAX_PAGES} pages")

    async def _patiently(
        self, method: str, url: str, values: Values, *, is_safe: bool
    ) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        async for attempt in stamina.retry_context(
            on=lambda error: is_passing(error, is_safe=is_safe),
            attempts=self._attempts,
            timeout=None,
            wait_initial=PAUSE_S[0],
            wait_max=PAUSE_S[1],
        ):
            with attempt:
                answer = await self._exchange(method, url, values)
        return answer

    async def _exchange(self, method: str, url: str, values: Values) -> dict[str, Any]:
        arguments = {"data": values} if method == "POST" else {"params": values}
        try:
            response = await self._client.request_async(method, url, **arguments)
        except TimeoutError:
            raise TwilioError(0, None, f"no answer within {self._timeout_s:g} s") from None
        except (ClientError, OSError, ValueError, TwilioException) as error:
            # Not its repr: an error of the client may hold the request with its headers.
            raise TwilioError(0, None, f"{type(error).__name__}: {error}"[:300]) from None
        self._note_date(response.headers)
        return checked(response)

    def _note_date(self, headers: Mapping[str, str] | None) -> None:
        try:
            self._dates(parsedate_to_datetime((headers or {}).get("Date", "")).timestamp())
        except (ValueError, TypeError, OverflowError, OSError):
            return  # an answer without a date says nothing of clocks


def is_passing(error: Exception, *, is_safe: bool) -> bool:
    """Return whether a request that failed so may be repeated: it was throttled, or Twilio failed
    and it `is_safe` to carry it out twice."""
    if not isinstance(error, TwilioError):
        return False
    if error.status in TOO_MANY or error.code in TOO_MANY:
        return True
    return is_safe and health_of_twilio(error.status, error.code) is ErrorVerdict.BACK_OFF


def account_of(settings: Settings) -> tuple[str, tuple[str, str]]:
    """Return the account SID and the credentials. Raises `SettingsError` if they are not set."""
    account = settings.need("twilio_account_sid", "SID of the account, AC...")
    if (credentials := settings.rest_credentials) is None:
        raise SettingsError(
            "FLEXCAPTURE_TWILIO_AUTH_TOKEN is not set (or FLEXCAPTURE_TWILIO_API_KEY_SID and "
            "FLEXCAPTURE_TWILIO_API_KEY_SECRET)"
        )
    return account, credentials
