"""A request that waits for its turn or is under way."""

import asyncio
from typing import Any, cast

import pytest

from agents.twilio_adapter.turns import NoTurn, Turn
from pipeline.runtime.twilio_http import TwilioError
from tests.virtual_time import virtually


def test_the_reason_for_no_turn_is_twilio_s_last_error() -> None:
    """Or that other requests went first."""
    error = TwilioError(503, None, "Unavailable")
    assert (str(error), error) == (str(NoTurn(error)), NoTurn(error).trouble)
    assert "waited for other requests" == str(NoTurn(None))


@pytest.mark.parametrize(
    ("is_sent", "is_gone", "is_cut"),
    [(True, False, True), (False, False, False), (True, True, False)],
)
def test_only_a_request_under_way_is_cut(is_sent: bool, is_gone: bool, is_cut: bool) -> None:
    """One that waits has no limit of its own, and one that is over needs none."""

    async def run() -> float | None:
        turn = Turn(cast("Any", None))
        turn.sent_at = 1.0 if is_sent else None
        turn.is_gone = is_gone
        try:
            async with turn.limit:
                turn.cut(1_003.0)
                await asyncio.sleep(10)
        except TimeoutError:
            turn.cut(1_005.0)  # it has expired: nothing to do
        return asyncio.get_running_loop().time()

    assert (1_003.0 if is_cut else 1_010.0) == virtually(run())
