"""The switch for what real contact centers send, beyond the textbook call."""

from dataclasses import dataclass


@dataclass
class Switch:
    """On: histories contain it, and the rules for it hold. Off: histories and rules are those of
    the textbook call alone, for a product that does not know more."""

    is_on: bool = False


REAL_FLEX = Switch()
