"""Twilio's REST API, the few requests of it that media streams need, as plain values.

The only module that speaks to Twilio. Each function is one request (or one a page) and raises
`TwilioError`; who calls decides about repeating.
"""

import asyncio
import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from aiohttp import ClientError
from prometheus_client import Counter, Gauge, Histogram
from twilio.base.exceptions import TwilioException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from pipeline.streams.marks import Participant

API = "https://api.twilio.com"
REQUEST_TIMEOUT_S = 5.0
MAX_PAGES = 20

REQUESTS = Counter(
    "flexcapture_twilio_requests", "Requests to Twilio's API", ["request", "outcome"]
)
REQUEST_SECONDS = Histogram(
    "flexcapture_twilio_request_seconds", "How long Twilio took to answer", ["request"]
)
IN_FLIGHT = Gauge("flexcapture_twilio_requests_in_flight", "Requests that Twilio has not answered")


class TwilioError(Exception):
    """A request failed: HTTP status (0: no answer) and Twilio's own code, where it gave one."""

    def __init__(self, status: int, code: int | None, message: str) -> None:
        super().__init__(f"{status} {code or '-'}: {message}")
        self.status = status
        self.code = code


class _HttpClient(AsyncTwilioHttpClient):  # type: ignore[misc]
    """twilio's client, towards another base URL. Make it inside the running loop; close it."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        base = urlsplit(base_url)
        self._scheme, self._netloc, self._path = base.scheme, base.netloc, base.path.rstrip("/")

    async def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        parts = urlsplit(url)
        path = self._path + parts.path
        moved = urlunsplit((self._scheme, self._netloc, path, parts.query, ""))
        return await super().request(method, moved, *args, **kwargs)


class TwilioApi:
    """One account's API. Bounded in requests at once; `async with` opens and closes it."""

    def __init__(
        self, account_sid: str, auth_token: str, base_url: str | None, concurrency: int
    ) -> None:
        self._account = account_sid
        self._token = auth_token
        self._base_url = base_url or API
        self._slots = asyncio.Semaphore(concurrency)

    async def __aenter__(self) -> Self:
        self._http = _HttpClient(self._base_url)
        self._client = Client(self._account, self._token, http_client=self._http)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def start_stream(
        self, call_sid: str, name: str, url: str, parameters: Mapping[str, str]
    ) -> str | None:
        """Starts a media stream of both tracks of the leg; returns its SID. Twilio hands
        `parameters` to whoever answers at `url`."""
        form = {"Url": url, "Name": name, "Track": "both_tracks"}
        for number, (key, value) in enumerate(parameters.items(), 1):
            form |= {f"Parameter{number}.Name": key, f"Parameter{number}.Value": value}
        path = f"/Calls/{call_sid}/Streams.json"
        answer = await self._request("start", "POST", self._uri(path), form)
        return _text(answer, "sid") or None

    async def stop_stream(self, call_sid: str, sid_or_name: str) -> None:
        """Stops the media stream of the leg that has this SID or name."""
        path = f"/Calls/{call_sid}/Streams/{sid_or_name}.json"
        await self._request("stop", "POST", self._uri(path), {"Status": "stopped"})

    async def conferences(self, friendly_name: str) -> list[str]:
        """The SIDs of the conferences in progress that have this name."""
        query = {"FriendlyName": friendly_name, "Status": "in-progress"}
        found = await self._pages("conferences", "/Conferences.json", query, "conferences")
        return [sid for item in found if (sid := _text(item, "sid"))]

    async def participants(self, conference_sid: str) -> list[Participant]:
        """Who is in the conference now."""
        path = f"/Conferences/{conference_sid}/Participants.json"
        found = await self._pages("participants", path, {}, "participants")
        return [
            Participant(
                call_sid=_text(item, "call_sid"),
                label=_text(item, "label"),
                status=_text(item, "status"),
                coaching=item.get("coaching") in (True, "true"),
                joined_at=_seconds(_text(item, "date_created")),
            )
            for item in found
            if _text(item, "call_sid")
        ]

    async def parties(self, call_sid: str) -> tuple[str, ...]:
        """Both ends of a leg, as numbers or addresses (`client:...`, `sip:...`)."""
        answer = await self._request("call", "GET", self._uri(f"/Calls/{call_sid}.json"), {})
        return tuple(filter(None, (_text(answer, "from"), _text(answer, "to"))))

    def _uri(self, path: str) -> str:
        return f"{API}/2010-04-01/Accounts/{self._account}{path}"

    async def _pages(
        self, request: str, path: str, query: Mapping[str, str], key: str
    ) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        answer = await self._request(request, "GET", self._uri(path), query)
        for _ in range(MAX_PAGES):
            page = answer.get(key)
            items += [i for i in page if isinstance(i, dict)] if isinstance(page, list) else []
            following = _text(answer, "next_page_uri")
            if not following:
                break
            answer = await self._request(request, "GET", _absolute(following), {})
        return items

    async def _request(
        self, request: str, method: str, uri: str, values: Mapping[str, str]
    ) -> dict[str, Any]:
        async with self._slots:
            with IN_FLIGHT.track_inprogress(), REQUEST_SECONDS.labels(request).time():
                try:
                    answer = await self._exchange(method, uri, values)
                except TwilioError as error:
                    REQUESTS.labels(request, str(error.code or error.status)).inc()
                    raise
        REQUESTS.labels(request, "ok").inc()
        return answer

    async def _exchange(self, method: str, uri: str, values: Mapping[str, str]) -> dict[str, Any]:
        arguments = {"data": values} if method == "POST" else {"params": values}
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                response = await self._client.request_async(method, uri, **arguments)
        except TimeoutError:
            raise TwilioError(0, None, f"no answer within {REQUEST_TIMEOUT_S:g} s") from None
        except (ClientError, OSError, TwilioException) as error:
            raise TwilioError(0, None, repr(error)) from error
        return _checked(response)


def _absolute(uri: str) -> str:
    """A `next_page_uri`, which v2010 gives without the host."""
    return uri if uri.startswith(("http://", "https://")) else API + uri


def _checked(response: Response) -> dict[str, Any]:
    """The JSON object of an answer. Raises `TwilioError` where it is none, or no success."""
    status = int(response.status_code)
    try:
        body = json.loads(response.text)
    except ValueError:
        body = None
    answer: dict[str, Any] = body if isinstance(body, dict) else {}
    if 200 <= status < 300:
        return answer
    code = answer.get("code")
    message = _text(answer, "message") or "no message"
    raise TwilioError(status, code if isinstance(code, int) else None, message[:300])


def _text(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    return value if isinstance(value, str) else ""


def _seconds(date: str) -> float:
    """The Unix time of an RFC 2822 date, 0 where it is none."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return 0.0
