"""An agent's part of a call results in a session."""

import pytest

from simulator.part import Part
from simulator.people import BEN
from simulator.script import ExpectedSession


def part(accepted_at: int | None, *, monitored: bool | None = True) -> Part:
    """A part that was offered."""
    return Part(BEN, "WR1", "WK1", "Support", "CA1", monitored, accepted_at=accepted_at)


@pytest.mark.parametrize("monitored", [True, False, None])
def test_an_accepted_part_lasts_from_the_answer_to_the_leave(monitored: bool | None) -> None:
    """The extension is the address in lower case."""
    ended = part(5, monitored=monitored)
    ended.left_at = 9
    assert ExpectedSession("WR1", "ben@example.com", monitored, 5, 9) == ended.expected()


@pytest.mark.parametrize("monitored", [True, None])
def test_a_part_that_was_not_accepted_is_not_monitored(monitored: bool | None) -> None:
    """Even if the agent is on the list."""
    missed = part(None, monitored=monitored)
    missed.left_at = 9
    assert ExpectedSession("WR1", "ben@example.com", False, None, 9) == missed.expected()


def test_it_ends_with_the_agents_last_leg() -> None:
    """A reservation that stays open does not prolong it."""
    gone = part(5)
    gone.left_at, gone.gone_at = 90, 7
    assert 7 == gone.expected().ended_at


def test_a_part_that_has_not_ended_has_no_session() -> None:
    """A case that never ends it is wrong."""
    with pytest.raises(AssertionError):
        part(5).expected()
