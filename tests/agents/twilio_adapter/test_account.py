"""The check of the account: one request for any number of callers, and its meaning."""

import asyncio

import pytest

from agents.twilio_adapter.account import FRESH_S, TIMEOUT_S, AccountProbe, AccountState
from pipeline.runtime.twilio_http import TwilioError
from pipeline.twilio.errors import ErrorVerdict
from tests.virtual_time import virtually


class Twilio:
    """Answers a check after `seconds`, with the error if there is one."""

    def __init__(self, error: TwilioError | None = None, seconds: float = 0.3) -> None:
        self.sent: list[float] = []
        self.probe = AccountProbe(self._request)
        self._error = error
        self._seconds = seconds

    async def _request(self) -> None:
        self.sent.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self._seconds)
        if self._error is not None:
            raise self._error


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (None, ErrorVerdict.DONE),
        (TwilioError(401, 20003, "Authenticate"), ErrorVerdict.REFUSED),
        (TwilioError(403, None, "Forbidden"), ErrorVerdict.REFUSED),
        (TwilioError(503, None, "Unavailable"), ErrorVerdict.BACK_OFF),
        (TwilioError(404, 20404, "Not found"), ErrorVerdict.DONE),  # it serves the account
    ],
    ids=repr,
)
def test_the_answer_shows_whether_the_account_is_served(
    error: TwilioError | None, verdict: ErrorVerdict
) -> None:
    """The state has the error, and the time at which the check was sent."""

    async def run() -> AccountState:
        return await Twilio(error).probe.state()

    assert AccountState(verdict, 1_000.0, error) == virtually(run())


def test_a_check_without_an_answer_shows_nothing() -> None:
    """It is given up after its time-out."""

    async def run() -> tuple[AccountState, float]:
        state = await Twilio(seconds=60).probe.state()
        return state, asyncio.get_running_loop().time()

    state, ended = virtually(run())
    assert (ErrorVerdict.BACK_OFF, None) == (state.verdict, state.error)
    assert 1_000.0 + TIMEOUT_S == ended


def test_callers_at_the_same_time_share_a_check() -> None:
    """One that comes later gets the answer while it is fresh, and then a new one."""

    async def run() -> list[float]:
        twilio = Twilio()
        states = await asyncio.gather(*(twilio.probe.state() for _ in range(20)))
        await asyncio.sleep(FRESH_S - 0.3 - 0.01)
        states.append(await twilio.probe.state())
        assert [states[0]] * 21 == states
        await asyncio.sleep(0.01)
        await twilio.probe.state()
        return twilio.sent

    assert [1_000.0, 1_000.0 + FRESH_S] == virtually(run())


def test_a_caller_that_gives_up_leaves_the_check_to_the_others() -> None:
    """It continues although the caller that sent it is cancelled."""

    async def run() -> None:
        twilio = Twilio()
        first = asyncio.create_task(twilio.probe.state())
        await asyncio.sleep(0)
        second = asyncio.create_task(twilio.probe.state())
        await asyncio.sleep(0)
        first.cancel()
        assert ErrorVerdict.DONE is (await second).verdict
        assert 1 == len(twilio.sent)

    virtually(run())
