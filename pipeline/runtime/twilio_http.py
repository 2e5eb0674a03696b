"""The HTTP client under Twilio's client library, for all of Twilio's REST APIs.
`pipeline/twilio/urls.py` determines the addresses of requests."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiohttp import BasicAuth, ClientSession, ClientTimeout, TCPConnector
from twilio.http import AsyncHttpClient
from twilio.http.response import Response

from pipeline.lenient_json import Unreadable, loads
from pipeline.twilio.urls import moved

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 2.0
KEPT_OPEN_S = 45.0
"""How long an idle connection is kept for the next request: a new one costs two or three round
trips. Shorter than the 60 s after which load balancers close idle connections."""
DNS_S = 300

Values = Mapping[str, str | Sequence[str]]
"""The fields of a form or query. A sequence repeats the field."""


class TwilioError(Exception):
    """A request failed. `status`: HTTP status, 0 if there was no answer; `code`: Twilio's own code,
    or None; `retry_after`: the seconds that Twilio asks to wait, 0 if it did not ask."""

    def __init__(
        self, status: int, code: int | None, message: str, retry_after: float = 0.0
    ) -> None:
        super().__init__(f"{status} {code or '-'}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after


class TwilioHttpClient(AsyncHttpClient):  # type: ignore[misc]
    """Replaces the HTTP client of Twilio's library: it can use another base URL, keeps connections
    open, and does not log every header. Create it inside the running loop, and close it."""

    def __init__(self, base_url: str | None, timeout_s: float) -> None:
        super().__init__(log, is_async=True)
        self._base_url = base_url
        connector = TCPConnector(limit=0, keepalive_timeout=KEPT_OPEN_S, ttl_dns_cache=DNS_S)
        timeout = ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        self._session = ClientSession(connector=connector, timeout=timeout)

    async def request(
        self,
        method: str,
        url: str,
        *,
        params: Values | None = None,
        data: Values | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the session has one
        allow_redirects: bool = False,
    ) -> Response:
        """Send one request and return its response. Raise aiohttp's errors, and `ValueError` for a
        URL that is not of Twilio."""
        async with self._session.request(
            method,
            moved(url, self._base_url),
            params=list(_fields(params)) or None,
            data=list(_fields(data)) or None,
            headers=headers,
            auth=BasicAuth(*auth) if auth else None,
            allow_redirects=allow_redirects,
        ) as answer:
            body = await answer.read()
            return Response(answer.status, body.decode(errors="replace"), answer.headers)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


def _fields(values: Values | None) -> Iterator[tuple[str, str]]:
    for name, value in (values or {}).items():
        for each in (value,) if isinstance(value, str) else value:
            yield name, each


def checked(response: Response) -> dict[str, Any]:
    """Return the JSON object of a response, {} if it is none. Raise `TwilioError` if the status
    is no success."""
    status = int(response.status_code)
    try:
        body = loads(response.text)
    except Unreadable:
        body = None
    answer: dict[str, Any] = body if isinstance(body, dict) else {}
    if 200 <= status < 300:
        return answer
    code = answer.get("code")
    message = answer.get("message")
    valid_code = code if isinstance(code, int) and not isinstance(code, bool) else None
    text = message if isinstance(message, str) and message else "no message"
    raise TwilioError(status, valid_code, text[:300], _retry_after(response))


def _retry_after(response: Response) -> float:
    """Return the seconds of the Retry-After header; 0 if it is missing or a date."""
    text = str((response.headers or {}).get("Retry-After", "")).strip()
    return float(text) if text.isdecimal() and len(text) < 6 else 0.0
