"""The steps of the set-up that need a person."""

import re
from pathlib import Path

import pytest

from cli.twilio.setup.by_hand import by_hand

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("wss://voice.example.com/media", "media streams to wss://voice.example.com/media."),
        (None, "FLEXCAPTURE_GATEWAY_PUBLIC_URL"),
        ("", "FLEXCAPTURE_GATEWAY_PUBLIC_URL"),
    ],
)
def test_the_load_balancer_is_at_the_public_url(url: str | None, expected: str) -> None:
    """Or at a host that is yet to be chosen."""
    assert expected in by_hand(url)


def test_the_plugin_asks_for_the_events_that_are_read() -> None:
    """Without them, hold is not known, and neither is the party that left."""
    [events] = re.findall(r'conferenceStatusCallbackEvent: "([a-z ]+)"', by_hand(None))
    assert {"start", "end", "join", "leave", "hold", "modify"} <= set(events.split())


def test_named_files_exist() -> None:
    """They are for the person to read."""
    for name in re.findall(r"(?:infra|docs)/[\w/.-]+\w", by_hand(None)):
        assert (ROOT / name).exists()
