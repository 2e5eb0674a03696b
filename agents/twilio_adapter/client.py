"""The few requests of Twilio's REST API that media streams need, with plain values as results.

Each function sends one request (or one per page) and raises `TwilioError`. The caller decides
whether to repeat it.
"""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import quote, urlsplit

from aiohttp import ClientError
from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from agents.twilio_adapter.answers import sid_of, text_of, unix_seconds
from agents.twilio_adapter.metrics import REQUEST_SECONDS, REQUESTS, REQUESTS_IN_FLIGHT
from pipeline.runtime.twilio_http import TwilioError, TwilioHttpClient, checked
from pipeline.streams.marks import FetchedCall, Participant
from pipeline.twilio.sids import SidKind
from pipeline.twilio.tickets import NONCE_BYTES, issued, url_with
from pipeline.twilio.urls import API

REQUEST_TIMEOUT_S = 5.0
OVERDUE_S = 2.0
"""A request that is still under way this long after its time-out counts as hung."""
MAX_PAGES = 20


class TwilioApi:
    """One account's API; `async with` opens and closes it.

    `credentials`: user and password of the requests; `ticket_secret`: signs the tickets in the
    URLs of media streams; `clock`: the log's clock (s since the epoch) for the tickets, which
    gateways check with the same clock. The caller limits the number of concurrent requests
    (`request_gate.py`).
    """

    def __init__(
        self,
        account_sid: str,
        credentials: tuple[str, str],
        ticket_secret: str,
        base_url: str | None,
        timeout_s: float = REQUEST_TIMEOUT_S,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._account = account_sid
        self._user, self._password = credentials
        self._ticket_secret = ticket_secret
        self._base_url = base_url or API
        self._timeout_s = timeout_s
        self._begun = 0
        self._under_way: dict[int, float] = {}

    async def __aenter__(self) -> Self:
        self._http = TwilioHttpClient(self._base_url, self._timeout_s)
        self._client = Client(
            self._user, self._password, account_sid=self._account, http_client=self._http
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def start_stream(
        self, call_sid: str, name: str, url: str, parameters: Mapping[str, str]
    ) -> str | None:
        """Start a media stream of both tracks of the leg; return its SID.

        Twilio streams to `url` with a ticket for this request alone, and passes `parameters` to the
        gateway. They must include `taskSid` and `generation`, which the ticket names too.
        """
        ticket = issued(
            self._ticket_secret,
            self._account,
            call_sid,
            parameters["taskSid"],
            int(parameters["generation"]),
            now=self._clock(),
            nonce=os.urandom(NONCE_BYTES),
        )
        form = {"Url": url_with(url, ticket), "Name": name, "Track": "both_tracks"}
        for number, (key, value) in enumerate(parameters.items(), 1):
            form |= {f"Parameter{number}.Name": key, f"Parameter{number}.Value": value}
        uri = self._uri("Calls", call_sid, "Streams")
        answer = await self._request("start", "POST", uri, form)
        return sid_of(answer, "sid", SidKind.MEDIA_STREAM)

    async def stop_stream(self, call_sid: str, sid_or_name: str) -> None:
        """Stop the leg's media stream that has this SID or name."""
        uri = self._uri("Calls", call_sid, "Streams", sid_or_name)
        await self._request("stop", "POST", uri, {"Status": "stopped"})

    async def conferences(self, friendly_name: str) -> list[str]:
        """Return the SIDs of the conferences in progress that have this name."""
        query = {"FriendlyName": friendly_name, "Status": "in-progress"}
        uri = self._uri("Conferences")
        found = await self._pages("conferences", uri, query, "conferences")
        return [sid for item in found if (sid := sid_of(item, "sid", SidKind.CONFERENCE))]

    async def check_account(self) -> None:
        """Send a request that belongs to no call: if it is refused, so is the account."""
        await self._request("account", "GET", self._uri("Conferences"), {"PageSize": "1"})

    async def participants(self, conference_sid: str) -> list[Participant]:
        """Return the conference's current participants."""
        uri = self._uri("Conferences", conference_sid, "Participants")
        found = await self._pages("participants", uri, {}, "participants")
        return [
            Participant(
                call_sid=call_sid,
                label=text_of(item, "label"),
                status=text_of(item, "status"),
                coaching=item.get("coaching") in (True, "true"),
                joined_at=unix_seconds(text_of(item, "date_created")),
                muted=item.get("muted") in (True, "true"),
            )
            for item in found
            if (call_sid := sid_of(item, "call_sid", SidKind.CALL))
        ]

    async def call(self, call_sid: str) -> FetchedCall:
        """Return the ends and the direction of a leg, whether it is in progress or not."""
        answer = await self._request("call", "GET", self._uri("Calls", call_sid), {})
        return FetchedCall(*(text_of(answer, name) or None for name in ("from", "to", "direction")))

    def _uri(self, *segments: str) -> str:
        path = "/".join(map(_quoted, (self._account, *segments)))
        return f"{API}/2010-04-01/Accounts/{path}.json"

    async def _pages(
        self, request: str, uri: str, query: Mapping[str, str], key: str
    ) -> list[dict[str, Any]]:
        """Return the items of all pages. Stop at a next page that is not of the same list."""
        items: list[dict[str, Any]] = []
        answer = await self._request(request, "GET", uri, query)
        for _ in range(MAX_PAGES):
            page = answer.get(key)
            items += [i for i in page if isinstance(i, dict)] if isinstance(page, list) else []
            following = _absolute(text_of(answer, "next_page_uri"))
            path = urlsplit(uri).path
            if urlsplit(following).path not in (path, urlsplit(self._base_url).path + path):
                break
            answer = await self._request(request, "GET", following, {})
        return items

    async def _request(
        self, request: str, method: str, uri: str, values: Mapping[str, str]
    ) -> dict[str, Any]:
        number = self._begin_request()
        try:
            with REQUESTS_IN_FLIGHT.track_inprogress(), REQUEST_SECONDS.labels(request).time():
                answer = await self._exchange(method, uri, values)
        except TwilioError as error:
            REQUESTS.labels(request, str(error.code or error.status)).inc()
            raise
        finally:
            del self._under_way[number]
        REQUESTS.labels(request, "ok").inc()
        return answer

    def _begin_request(self) -> int:
        self._begun += 1
        self._under_way[self._begun] = time.monotonic()
        return self._begun

    def overdue(self) -> int | None:
        """Return the number of a request that should have timed out and has not, or None."""
        number, begun = next(iter(self._under_way.items()), (None, 0.0))
        late = time.monotonic() - begun > self._timeout_s + OVERDUE_S
        return number if late else None

    async def _exchange(self, method: str, uri: str, values: Mapping[str, str]) -> dict[str, Any]:
        arguments = {"data": values} if method == "POST" else {"params": values}
        try:
            response = await self._client.request_async(method, uri, **arguments)
        except TimeoutError:
            raise TwilioError(0, None, f"no answer within {self._timeout_s:g} s") from None
        except (ClientError, OSError, ValueError, TwilioException) as error:
            raise TwilioError(0, None, repr(error)) from error
        return checked(response)


def _quoted(segment: str) -> str:
    """Return any text as one segment of a path. Raise `ValueError` for one that means another
    directory (`.`, `..`) or is empty."""
    if not segment.strip("."):
        raise ValueError(f"{segment!r} cannot be a part of a path")
    return quote(segment, safe="")


def _absolute(uri: str) -> str:
    """Return a `next_page_uri` with its host, which the v2010 API leaves out."""
    return uri if uri.startswith(("http://", "https://")) else API + uri
