"""Commands for Twilio do not wait long between requests."""

import pytest

from cli.twilio import api
from cli.twilio.doctor import asking_gateway
from cli.twilio.setup import steps


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PAUSE_S", (0.01, 0.02))
    monkeypatch.setattr(steps, "POLL_S", 0.01)
    monkeypatch.setattr(asking_gateway, "STEP_S", 60.0)  # the machine may be busy
