"""How long a command waits before its request is repeated."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.twilio_adapter.attempt import Effort
from agents.twilio_adapter.request_gate import RequestGate
from agents.twilio_adapter.waits import MOST_REFUSALS, MOST_RETRY_AFTER_S, wait_after
from pipeline.runtime.twilio_http import TwilioError
from pipeline.twilio.errors import ErrorVerdict
from schemas.records import StreamCommand
from tests.agents.twilio_adapter.scene import start_command, stop

ASKING, RESTING, ABSENT = 1.0, 2.0, 4.0


def effort(command: StreamCommand | None = None) -> Effort:
    """Return a command under way with fixed delays."""
    delays = {"asking": ASKING, "resting": RESTING, "absent": ABSENT}
    backs = {name: SimpleNamespace(delay=lambda s=s: s) for name, s in delays.items()}
    return cast("Any", SimpleNamespace(command=command or start_command(), refusals=0, **backs))


def gate(*, is_free: bool = True, is_refused: bool = False) -> RequestGate:
    """Return a gate in this state."""
    return cast("Any", SimpleNamespace(is_free=is_free, is_refused=is_refused))


def error(retry_after: float = 0.0) -> TwilioError:
    """Return an error of Twilio."""
    return TwilioError(503, None, "x", retry_after)


def test_a_call_that_is_refused_is_tried_again_once() -> None:
    """The refusal may have been a temporary one of the account. The second one is final."""
    made = effort()
    waits = [wait_after(gate(), error(), ErrorVerdict.REFUSED, made) for _ in range(MOST_REFUSALS)]
    assert [ASKING, None] == waits


def test_a_refused_account_makes_no_command_fail() -> None:
    """Its requests wait at the gate, any number of times."""
    made = effort()
    for _ in range(5):
        refused = gate(is_free=False, is_refused=True)
        assert 0.0 == wait_after(refused, error(), ErrorVerdict.REFUSED, made)
    assert ASKING == wait_after(gate(), error(), ErrorVerdict.REFUSED, made)


@given(st.floats(0, 100), st.booleans())
def test_a_wish_of_twilio_is_respected_within_limits(retry_after: float, is_free: bool) -> None:
    """During an outage the gate decides, so the command itself does not wait."""
    wait = wait_after(gate(is_free=is_free), error(retry_after), ErrorVerdict.BACK_OFF, effort())
    least = RESTING if is_free else 0.0
    assert max(least, min(retry_after, MOST_RETRY_AFTER_S)) == wait


@pytest.mark.parametrize("verdict", [ErrorVerdict.ASK_AGAIN, ErrorVerdict.LOOK_UP_AGAIN])
@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (start_command(), ABSENT),  # the leg was in progress before an agent accepted
        (start_command(direction="outbound"), ASKING),  # it may still be ringing
        (replace(start_command(), call_sid=None), ASKING),
        (stop(), ASKING),
    ],
    ids=["inbound", "outbound", "no leg yet", "stop"],
)
def test_a_leg_that_has_ended_is_looked_up_less_often(
    command: StreamCommand, expected: float, verdict: ErrorVerdict
) -> None:
    """Than one that may not be in progress yet."""
    assert expected == wait_after(gate(), error(), verdict, effort(command))


@pytest.mark.parametrize("verdict", [ErrorVerdict.FAILED, ErrorVerdict.DONE])
def test_other_requests_are_not_repeated(verdict: ErrorVerdict) -> None:
    """The answer would be the same."""
    assert wait_after(gate(), error(), verdict, effort()) is None
