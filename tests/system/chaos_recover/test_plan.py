"""The calls of a run."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from simulator.events import Account
from simulator.script import EventSent
from tests.system.chaos_recover.plan import GONE, Part, planned, script_of

ACCOUNT = Account("AC" + "0" * 32, "WS" + "1" * 32)
BEGIN = 1_700_000_000_000


@given(st.integers(4, 600), st.integers(0, 2**32))
def test_each_part_has_calls(calls: int, seed: int) -> None:
    """In their order; the same seed gives the same ones."""
    made = planned(calls, 0.2, Random(seed))
    assert calls - 2 <= len(made) <= calls
    order = list(Part)
    parts = [order.index(call.part) for call in made]
    assert sorted(parts) == parts
    assert {0, 1, 2} <= set(parts)
    again = planned(calls, 0.2, Random(seed))
    assert [call.seed for call in again] == [call.seed for call in made]


def test_shares_are_about_those_that_were_asked_for() -> None:
    """Of recordings that Twilio does not have, and of events that never arrive."""
    made = planned(400, 0.2, Random(1))
    assert 50 < sum(call.quirk in GONE for call in made) < 110
    steps = [
        step.action
        for call in made
        for step in script_of(call, BEGIN, ACCOUNT, 0.02).steps
        if isinstance(step.action, EventSent)
    ]
    lost = sum(step.is_lost for step in steps)
    assert 0.01 < lost / len(steps) < 0.03
