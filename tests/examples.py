"""How many examples a property is tried with."""

from hypothesis import settings

_USUAL = 100


def examples(number: int) -> int:
    """Return this number by default, and a proportional one under a Hypothesis profile with another
    number: 30 times as many in the nightly search (`tests/conftest.py`)."""
    return max(1, number * settings().max_examples // _USUAL)
