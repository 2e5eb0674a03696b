"""When a shard may be read next. Pure: times are seconds of any steady clock."""

from dataclasses import dataclass, replace

READ_INTERVAL = 0.2
"""Kinesis allows five GetRecords a second and shard."""

FIRST_BACK_OFF = 0.4
LONGEST_BACK_OFF = 5.0


@dataclass(frozen=True, slots=True)
class Pace:
    """One shard's: `due` is when the next read may begin."""

    due: float = 0.0
    throttled: int = 0
    """How often in a row Kinesis has refused for the rate."""

    def begin(self, now: float) -> "Pace":
        """A read begins: the next may begin an interval later, however long this one takes."""
        return replace(self, due=now + READ_INTERVAL)

    def answered(self) -> "Pace":
        """The read gave an answer."""
        return replace(self, throttled=0)

    def refused(self, now: float, jitter: float) -> "Pace":
        """Kinesis has throttled: the longer a wait, the more often in a row. `jitter` (0 to 1)
        keeps several readers apart: between half and all of the wait."""
        wait = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2 ** min(self.throttled, 10))
        return Pace(now + wait * (0.5 + jitter / 2), self.throttled + 1)
