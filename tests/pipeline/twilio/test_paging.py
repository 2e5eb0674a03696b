"""The pages of a list, and the links that lead from one to the next."""

from typing import Any

import pytest

from pipeline.twilio.paging import PageElsewhere, items_of, next_page

BASE = "http://127.0.0.1:80"
CALLS = "https://api.twilio.com/2010-04-01/Accounts/AC1/Calls.json"
EVENTS = "https://taskrouter.twilio.com/v1/Workspaces/WS1/Events"


def relative(uri: object) -> dict[str, Any]:
    return {"next_page_uri": uri}


def absolute(url: object) -> dict[str, Any]:
    return {"meta": {"next_page_url": url}}


@pytest.mark.parametrize(
    ("url", "answer", "base", "following"),
    [
        (CALLS, relative("/2010-04-01/Accounts/AC1/Calls.json?Page=1"), None, CALLS + "?Page=1"),
        (CALLS, relative("/2010-04-01/Accounts/AC1/Calls.json?Page=1"), BASE,
         BASE + "/2010-04-01/Accounts/AC1/Calls.json?Page=1"),
        (CALLS, relative("/x/2010-04-01/Accounts/AC1/Calls.json?Page=1"), BASE + "/x",
         BASE + "/x/2010-04-01/Accounts/AC1/Calls.json?Page=1"),
        (EVENTS, absolute(EVENTS + "?Page=1"), None, EVENTS + "?Page=1"),
        (EVENTS, absolute(EVENTS + "?Page=1"), BASE,
         BASE + "/taskrouter/v1/Workspaces/WS1/Events?Page=1"),
        (EVENTS, absolute(BASE + "/taskrouter/v1/Workspaces/WS1/Events?Page=1"), BASE,
         BASE + "/taskrouter/v1/Workspaces/WS1/Events?Page=1"),
        (EVENTS, absolute("/taskrouter/v1/Workspaces/WS1/Events?Page=1"), BASE,
         BASE + "/taskrouter/v1/Workspaces/WS1/Events?Page=1"),
        # A host in the link is never the host of the request.
        (EVENTS, absolute("http://evil.example/taskrouter/v1/Workspaces/WS1/Events?P=1"), BASE,
         BASE + "/taskrouter/v1/Workspaces/WS1/Events?P=1"),
        (CALLS, relative(None), None, None),
        (CALLS, relative(7), None, None),
        (EVENTS, absolute(""), None, None),
        (EVENTS, {"meta": "none"}, None, None),
        (EVENTS, {}, None, None),
    ],
)  # fmt: skip
def test_the_next_page_is_found(
    url: str, answer: dict[str, Any], base: str | None, following: str | None
) -> None:
    """Both styles name the next page, with and without a base URL."""
    assert following == next_page(url, answer, base)


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        (EVENTS, absolute("https://evil.example/v1/Workspaces/WS1/Events?Page=1")),
        (EVENTS, absolute("https://events.twilio.com/v1/Workspaces/WS1/Events?Page=1")),
        (EVENTS, absolute("https://taskrouter.twilio.com/v1/Workspaces/WS2/Events?Page=1")),
        (EVENTS, absolute("http://taskrouter.twilio.com/v1/Workspaces/WS1/Events?Page=1")),
        (CALLS, relative("/2010-04-01/Accounts/AC2/Calls.json?Page=1")),
        (CALLS, relative("//evil.example/2010-04-01/Accounts/AC1/Calls.json")),
    ],
)
def test_a_link_that_leads_elsewhere_is_an_error(url: str, answer: dict[str, Any]) -> None:
    """The rest of the list would be missing, so it is no silent end."""
    with pytest.raises(PageElsewhere, match="next page"):
        next_page(url, answer, None)


def test_items_are_found_by_key() -> None:
    """The answer may state the key of its items; values other than objects are left out."""
    assert [{"a": 1}] == items_of({"meta": {"key": "events"}, "events": [{"a": 1}, 7]}, "rows")
    assert [{"a": 1}] == items_of({"calls": [{"a": 1}]}, "calls")
    assert [] == items_of({"calls": "none"}, "calls")
    assert [] == items_of({}, "calls")
