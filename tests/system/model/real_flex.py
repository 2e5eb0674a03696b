"""The switch for tasks without a call, odd text and odd times."""

from dataclasses import dataclass


@dataclass
class Switch:
    """On: histories contain them, and the rules for them hold. Off: for a product that does not
    know them."""

    is_on: bool = False


REAL_FLEX = Switch()
