"""Requests about the account of a test call."""

import pytest

from cli.check_call import account, course
from cli.check_call.account import answered
from pipeline.runtime.twilio_http import TwilioError
from simulator import placed


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes quickly at Twilio, and requests are repeated soon."""
    monkeypatch.setattr(placed, "RING_S", 0.2)
    monkeypatch.setattr(course, "POLL_S", 0.05)
    monkeypatch.setattr(account, "PAUSE_S", (0.01, 0.02))


@pytest.mark.usefixtures("_quick")
async def test_answers_are_kept_whatever_they_are() -> None:
    """A refusal is an answer; silence becomes one after some tries."""
    tries = 0

    async def fails() -> str | None:
        nonlocal tries
        tries += 1
        raise TwilioError(0 if tries < 9 else 400, None, "no answer")

    answer = await answered(fails, lambda: 7)
    assert (0, account.ATTEMPTS, False, 7) == (answer.status, tries, answer.is_success, answer.at)
