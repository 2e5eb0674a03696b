"""Requests to one account's REST APIs: one exchange at a time, with its errors as `TwilioError`.

The caller decides whether to repeat a request, and limits the number of concurrent requests.
"""

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Self

from aiohttp import ClientError
from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from pipeline.error_text import typed_error_text
from pipeline.runtime.settings import Settings, SettingsError
from pipeline.runtime.twilio_http import TwilioError, TwilioHttpClient, Values, checked
from pipeline.twilio.errors import TOO_MANY, ErrorVerdict, health_of_twilio


class RestClient:
    """One account's REST APIs; `async with` opens and closes it.

    `credentials`: user and password; `base_url`: in place of all of Twilio's hosts; `dates`: called
    with the time of each answer by Twilio's clock (Unix time, s).
    """

    def __init__(
        self,
        account_sid: str,
        credentials: tuple[str, str],
        base_url: str | None,
        timeout_s: float,
        dates: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.account_sid = account_sid
        self.base_url = base_url
        self._user, self._password = credentials
        self._timeout_s = timeout_s
        self._dates = dates

    async def __aenter__(self) -> Self:
        self._http = TwilioHttpClient(self.base_url, self._timeout_s)
        self._client = Client(
            self._user, self._password, account_sid=self.account_sid, http_client=self._http
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def exchange(self, method: str, url: str, values: Values) -> dict[str, Any]:
        """Send one request; return the JSON object of its answer. `values`: the form of a POST, the
        query of other methods. Raise `TwilioError`."""
        arguments = {"data": values} if method == "POST" else {"params": values}
        try:
            response = await self._client.request_async(method, url, **arguments)
        except TimeoutError:
            raise TwilioError(0, None, f"no answer within {self._timeout_s:g} s") from None
        except (ClientError, OSError, ValueError, TwilioException) as error:
            # Not its repr: an error of the client may hold the request with its headers.
            raise TwilioError(0, None, typed_error_text(error)[:300]) from None
        self._note_date(response.headers)
        return checked(response)

    def _note_date(self, headers: Mapping[str, str] | None) -> None:
        try:
            self._dates(parsedate_to_datetime((headers or {}).get("Date", "")).timestamp())
        except (ValueError, TypeError, OverflowError, OSError):
            return  # an answer without a date shows nothing about clocks


def is_throttled(error: TwilioError) -> bool:
    """Return whether Twilio refused the request because there were too many."""
    return error.status in TOO_MANY or error.code in TOO_MANY


def is_passing(error: Exception, *, is_safe: bool) -> bool:
    """Return whether a request that failed with this error may be repeated: it was throttled, or
    Twilio failed and it `is_safe` to carry it out twice."""
    if not isinstance(error, TwilioError):
        return False
    if is_throttled(error):
        return True
    return is_safe and health_of_twilio(error.status, error.code) is ErrorVerdict.BACK_OFF


def pause_before_repeat(error: Exception, most_s: float, *, is_safe: bool) -> bool | float:
    """Return whether a request may be repeated, as `is_passing`; if Twilio asks for a pause with
    Retry-After, the pause instead (s), at most `most_s`."""
    if not is_passing(error, is_safe=is_safe):
        return False
    asked = error.retry_after if isinstance(error, TwilioError) else 0.0
    return min(asked, most_s) if asked > 0 else True


def account_of(settings: Settings) -> tuple[str, tuple[str, str]]:
    """Return the account SID and the credentials. Raise `SettingsError` if they are not set."""
    account = settings.need("twilio_account_sid", "SID of the account, AC...")
    if (credentials := settings.rest_credentials) is None:
        raise SettingsError(
            "FLEXCAPTURE_TWILIO_AUTH_TOKEN is not set (or FLEXCAPTURE_TWILIO_API_KEY_SID and "
            "FLEXCAPTURE_TWILIO_API_KEY_SECRET)"
        )
    return account, credentials
