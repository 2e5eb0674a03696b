"""Requests are sent to Twilio's hosts only, or to the configured base URL."""

import pytest

from pipeline.twilio.urls import moved

BASE = "http://127.0.0.1:80"


@pytest.mark.parametrize(
    ("url", "base", "sent_to"),
    [
        ("https://api.twilio.com/2010-04-01/A.json", BASE, BASE + "/2010-04-01/A.json"),
        ("https://events.twilio.com/v1/Sinks?a=b", BASE, BASE + "/events/v1/Sinks?a=b"),
        ("https://taskrouter.twilio.com/v1/W", BASE + "/x", BASE + "/x/taskrouter/v1/W"),
        (BASE + "/x/taskrouter/v1/W?Page=1", BASE + "/x", BASE + "/x/taskrouter/v1/W?Page=1"),
        (BASE + "/events/v1/Sinks?Page=1", BASE, BASE + "/events/v1/Sinks?Page=1"),
        ("https://api.twilio.com/x/2010-04-01/A", BASE + "/x", BASE + "/x/2010-04-01/A"),
        ("https://evil.example/events/v1/Sinks", BASE, BASE + "/events/v1/Sinks"),
        ("https://events.twilio.com/v1/Sinks", None, "https://events.twilio.com/v1/Sinks"),
    ],
)
def test_hosts_are_mapped(url: str, base: str | None, sent_to: str) -> None:
    """The first label of the host becomes a part of the path, except `api`."""
    assert sent_to == moved(url, base)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v1/Sinks",
        "http://events.twilio.com/v1/Sinks",
        "https://events.twilio.com@evil.example/v1",
        "https://eviltwilio.com/v1",
        "https://u:p@events.twilio.com/v1",
    ],
)
def test_credentials_go_to_no_other_host(url: str) -> None:
    """A link in an answer may name any host: the request is refused."""
    with pytest.raises(ValueError, match="not a URL of Twilio"):
        moved(url, None)
