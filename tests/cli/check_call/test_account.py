"""Requests about the account of a test call."""

import pytest

from cli.check_call import account
from cli.check_call.account import answered
from pipeline.runtime.twilio_http import TwilioError
from simulator.placed import OWN_NUMBER
from simulator.twilio_rest import Faults
from tests.cli.check_call.played import TO, Played


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


@pytest.mark.usefixtures("_quick")
async def test_throttled_requests_are_repeated_and_one_call_is_placed() -> None:
    """429 is asked again; so is 503, but not of the request that places the call."""
    async with Played(Faults(too_many_requests=2)) as played:
        numbers = await played.api.own_numbers()
        call = await played.api.place_call(TO, numbers[0])
        assert [call.sid] == list(played.rest.placed.calls)
    async with Played(Faults(unavailable=1)) as played:
        with pytest.raises(TwilioError, match="503"):
            await played.api.place_call(TO, OWN_NUMBER)
        assert [] == played.statuses
