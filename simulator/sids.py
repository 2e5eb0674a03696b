"""Twilio's identifiers: two letters and 32 hexadecimal digits, from a given randomness."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Sids:
    """Makes SIDs; the same randomness makes the same ones."""

    random: Random

    def new(self, kind: str) -> str:
        """A new SID; `kind` is its two letters, as `CA` of a call."""
        return f"{kind}{self.random.getrandbits(128):032x}"
