"""How many examples a property is tried with."""

from hypothesis import settings

_USUAL = 100


def examples(number: int) -> int:
    """So many as a rule, and in proportion under a Hypothesis profile with another number: in the
    search by night that `tests/conftest.py` tells of, 30 times as many."""
    return max(1, number * settings().max_examples // _USUAL)
