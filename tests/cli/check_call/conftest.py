"""The fixture of the tests of a test call."""

import pytest

from cli.check_call import account, course
from simulator import placed


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes quickly at Twilio, and requests are repeated soon."""
    monkeypatch.setattr(placed, "RING_S", 0.2)
    monkeypatch.setattr(course, "POLL_S", 0.05)
    monkeypatch.setattr(account, "PAUSE_S", (0.01, 0.02))
