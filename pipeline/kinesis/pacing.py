"""When a shard may be read next. Pure: times are seconds of any steady clock."""

from dataclasses import dataclass, replace

FIRST_BACK_OFF = 0.4
LONGEST_BACK_OFF = 5.0


@dataclass(frozen=True, slots=True)
class Share:
    """What a reader takes of what Kinesis gives of a shard: five GetRecords and 2 MB a second, to
    all its readers together."""

    interval: float
    max_records: int
    bytes_per_second: float


LIVE_SHARE = Share(interval=0.2, max_records=10_000, bytes_per_second=float("inf"))
REPLAY_SHARE = Share(interval=1.0, max_records=1_000, bytes_per_second=1_000_000)
"""The live bridge reads the same shards meanwhile. It takes all five reads there are, so now and
then one of them is refused and follows a moment later."""


@dataclass(frozen=True, slots=True)
class Pace:
    """One shard's: `due` is when the next read may begin. `phase` (0 to 1) is how much of an
    interval later than that the second one begins: shards that are taken over together are read in
    turn, and not all at once, for the processor that reads them is one."""

    share: Share = LIVE_SHARE
    phase: float = 0.0
    due: float = 0.0
    throttled: int = 0
    """How often in a row Kinesis has refused for the rate."""

    def begin(self, now: float) -> "Pace":
        """A read begins: the next may begin an interval later, however long this one takes."""
        return replace(self, due=now + self.share.interval * (1 + self.phase), phase=0.0)

    def answered(self, now: float, size: int) -> "Pace":
        """The read gave an answer of `size` bytes."""
        due = max(self.due, now + size / self.share.bytes_per_second)
        return replace(self, due=due, throttled=0)

    def refused(self, now: float, jitter: float) -> "Pace":
        """Kinesis has throttled: the longer a wait, the more often in a row. `jitter` (0 to 1)
        keeps several readers apart: between half and all of the wait."""
        wait = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2 ** min(self.throttled, 10))
        return replace(self, due=now + wait * (0.5 + jitter / 2), throttled=self.throttled + 1)
