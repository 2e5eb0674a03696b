"""Two publishers that fence each other both end."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.policy_publisher import MOST_PAUSE_S, RETRY_S, fenced_pause

ROUNDS = 40


def duel(lasts: float, offset: float, pause: Callable[[int], float]) -> float | None:
    """Return when one of two publishers succeeds, if publishing takes `lasts` seconds and the other
    begins `offset` later; None: it did not within 40 attempts. A publisher that begins fences the
    other; the fenced one notices at the end of its attempt."""
    begins, fenced = [0.0, offset], [0, 0]
    for _ in range(ROUNDS):
        ours = min((0, 1), key=lambda each: begins[each])
        end = begins[ours] + lasts
        if begins[1 - ours] >= end:
            return end
        fenced[ours] += 1
        begins[ours] = end + pause(fenced[ours])
    return None


def test_equal_pauses_never_end() -> None:
    """On a slow cluster: each begins again in the middle of the other's attempt."""
    assert duel(3.0, 2.0, lambda _: RETRY_S) is None


@given(lasts=st.floats(0.01, 6.0), share=st.floats(0.01, 0.99), seed=st.integers(0, 2**32))
def test_pauses_that_differ_and_grow_end(lasts: float, share: float, seed: int) -> None:
    """However slow publishing is, up to a third of the longest pause."""
    random = Random(seed)
    assert (
        duel(lasts, lasts * share, lambda times: fenced_pause(times, random.random())) is not None
    )


@pytest.mark.parametrize("times", [1, 2, 5, 50, 5_000])
def test_pauses_are_bounded(times: int) -> None:
    """Also after any number of attempts."""
    assert RETRY_S == fenced_pause(times, 0.0)
    assert RETRY_S < fenced_pause(times, 1.0) <= RETRY_S + MOST_PAUSE_S
