"""Random Twilio identifiers: two letters and 32 hexadecimal digits."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Sids:
    """Generates SIDs. The same `random` gives the same SIDs."""

    random: Random

    def new(self, kind: str) -> str:
        """Return a new SID. `kind`: its two letters, such as `CA` for a call."""
        return f"{kind}{self.random.getrandbits(128):032x}"
