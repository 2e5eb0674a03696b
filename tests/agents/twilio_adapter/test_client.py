"""The requests of Twilio's REST API, and the values in their answers."""

import json
import logging
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import ClientConnectionError
from twilio.http import AsyncHttpClient
from twilio.http.response import Response

from agents.twilio_adapter import client
from agents.twilio_adapter.client import MAX_PAGES, OVERDUE_S, TwilioApi
from pipeline.runtime.twilio_http import TwilioError
from pipeline.streams.marks import FetchedCall
from pipeline.twilio.tickets import verified

ACCOUNT, CALL, TASK = "AC" + "0" * 32, "CA" + "1" * 32, "WT" + "2" * 32
CONFERENCE, STREAM = "CF" + "3" * 32, "MZ" + "4" * 32
NOW = 1_700_000_000.0
BASE = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}"


class Http(AsyncHttpClient):  # type: ignore[misc]
    """Gives its answers in turn, and then the last one repeatedly: JSON, or an error to raise.
    `asked`: method, URL, and the fields."""

    def __init__(self, *answers: Any) -> None:
        super().__init__(logging.getLogger(__name__), is_async=True)
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self._answers = list(answers)

    async def request(self, method: str, url: str, **more: Any) -> Response:
        self.asked.append((method, url, dict(more.get("data") or more.get("params") or {})))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        return Response(status, json.dumps(body))

    async def close(self) -> None:
        """Nothing is open."""


async def opened(http: Http, patch: pytest.MonkeyPatch) -> TwilioApi:
    """Return the API with these answers."""
    patch.setattr(client, "TwilioHttpClient", lambda *_: http)
    credentials = ("SK1", "secret")
    return await TwilioApi(ACCOUNT, credentials, "token", None, clock=lambda: NOW).__aenter__()


async def test_a_media_stream_is_started_with_a_ticket_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of both tracks, with the parameters. Two requests have different tickets."""
    http = Http({"sid": STREAM})
    api = await opened(http, monkeypatch)
    parameters = {"taskSid": TASK, "generation": "3", "other": "x"}
    for _ in range(2):
        url = "wss://voice.example.com/media"
        assert STREAM == await api.start_stream(CALL, "a-name", url, parameters)
    (method, url, form), (_, _, second) = http.asked
    assert ("POST", f"{BASE}/Calls/{CALL}/Streams.json") == (method, url)
    assert ("a-name", "both_tracks") == (form["Name"], form["Track"])
    given = {form[f"Parameter{n}.Name"]: form[f"Parameter{n}.Value"] for n in (1, 2, 3)}
    assert parameters == given
    assert form["Url"] != second["Url"]
    ticket = verified(["token"], form["Url"].rpartition("/")[2])
    assert ticket is not None
    assert (ACCOUNT, CALL, TASK, 3) == (
        ticket.account_sid, ticket.call_sid, ticket.task_sid, ticket.generation,
    )  # fmt: skip
    assert ticket.expires_at > NOW


async def test_a_media_stream_is_stopped_by_sid_or_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name cannot lead to another resource."""
    http = Http({})
    api = await opened(http, monkeypatch)
    await api.stop_stream(CALL, "a/../b?c")
    assert [
        ("POST", f"{BASE}/Calls/{CALL}/Streams/a%2F..%2Fb%3Fc.json", {"Status": "stopped"})
    ] == (http.asked)
    for name in ("..", "."):
        with pytest.raises(ValueError, match="path"):
            await api.stop_stream(CALL, name)
    assert 1 == len(http.asked)


async def test_participants_are_taken_from_all_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Items without a valid call SID, and items that are no objects, are left out."""
    path = f"/2010-04-01/Accounts/{ACCOUNT}/Conferences/{CONFERENCE}/Participants.json"
    date = "Mon, 29 Nov 2021 10:00:00 +0000"
    first = {
        "participants": [
            {"call_sid": CALL, "label": "customer", "status": "connected", "date_created": date},
            {"call_sid": "x"}, None, 7,
        ],
        "next_page_uri": f"{path}?Page=1",
    }  # fmt: skip
    second = {"participants": [{"call_sid": CALL, "coaching": "true", "muted": True}]}
    http = Http(first, second)
    api = await opened(http, monkeypatch)
    one, other = await api.participants(CONFERENCE)
    assert ("customer", "connected", False, False, 1_638_180_000) == (
        one.label, one.status, one.coaching, one.muted, one.joined_at,
    )  # fmt: skip
    assert ("", True, True, 0) == (other.label, other.coaching, other.muted, other.joined_at)
    assert f"https://api.twilio.com{path}?Page=1" == http.asked[1][1]


@pytest.mark.parametrize(
    "following",
    ["https://evil.example.com/x", "/2010-04-01/Accounts/AC9/Conferences.json?Page=1", "", 7, None],
)
async def test_a_next_page_of_another_list_is_not_followed(
    following: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The credentials go with every request."""
    http = Http({"conferences": [{"sid": CONFERENCE}], "next_page_uri": following})
    api = await opened(http, monkeypatch)
    assert [CONFERENCE] == await api.conferences(TASK)
    assert 1 == len(http.asked)
    assert {"FriendlyName": TASK, "Status": "in-progress"} == http.asked[0][2]


async def test_pages_without_end_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is cut off."""
    path = f"/2010-04-01/Accounts/{ACCOUNT}/Conferences.json?Page=1"
    http = Http({"conferences": [{"sid": CONFERENCE}], "next_page_uri": path})
    api = await opened(http, monkeypatch)
    assert MAX_PAGES == len(await api.conferences(TASK))
    assert parse_qs(urlsplit(http.asked[-1][1]).query) == {"Page": ["1"]}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"from": "+1", "to": "+2", "direction": "inbound"}, FetchedCall("+1", "+2", "inbound")),
        ({"from": "", "to": 7}, FetchedCall(None, None, None)),
        ({}, FetchedCall(None, None, None)),
    ],
)
async def test_the_ends_of_a_leg(
    answer: Any, expected: FetchedCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Empty and missing fields are not known."""
    assert expected == await (await opened(Http(answer), monkeypatch)).call(CALL)


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (TimeoutError(), 0, None),
        (ClientConnectionError("reset"), 0, None),
        (OSError("no route"), 0, None),
        ((404, {"code": 20404, "message": "not found"}), 404, 20404),
        ((503, {}), 503, None),
    ],
    ids=repr,
)
async def test_every_failure_is_a_twilio_error(
    answer: Any, status: int, code: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 0: there was no answer. No request is left under way."""
    api = await opened(Http(answer), monkeypatch)
    with pytest.raises(TwilioError) as raised:
        await api.check_account()
    assert (status, code) == (raised.value.status, raised.value.code)
    assert {} == api._under_way


async def test_a_request_that_hangs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """If it is under way longer than its time-out allows."""
    api, now = await opened(Http({}), monkeypatch), [100.0]
    monkeypatch.setattr(client, "time", SimpleNamespace(monotonic=lambda: now[0]))
    assert api.overdue() is None
    number = api._begin_request()
    now[0] += client.REQUEST_TIMEOUT_S + OVERDUE_S
    assert api.overdue() is None
    now[0] += 0.1
    assert number == api.overdue()
