"""Decide when a shard may be read next. Pure: times are seconds of any monotonic clock."""

from dataclasses import dataclass, replace

FIRST_BACK_OFF = 0.4
LONGEST_BACK_OFF = 5.0


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a shard's read capacity that a reader uses. Kinesis allows five GetRecords and
    2 MB a second per shard, for all its readers together."""

    interval: float
    max_records: int
    bytes_per_second: float


LIVE_SHARE = Share(interval=0.2, max_records=10_000, bytes_per_second=float("inf"))
REPLAY_SHARE = Share(interval=1.0, max_records=1_000, bytes_per_second=1_000_000)
"""For a replay beside the live bridge, which reads the same shards. The live bridge uses all five
reads, so that one of them is sometimes refused and repeated a moment later."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The read schedule of one shard. `due`: when the next read may begin. `phase` (0 to 1): the
    part of an interval by which the second read is delayed once. It spreads out the reads of
    shards that were taken over together, because they share one processor."""

    share: Share = LIVE_SHARE
    phase: float = 0.0
    due: float = 0.0
    throttled: int = 0
    """How many times in a row Kinesis has throttled."""

    def begin(self, now: float) -> "Pace":
        """Begin a read. The next may begin one interval later, however long this one takes."""
        return replace(self, due=now + self.share.interval * (1 + self.phase), phase=0.0)

    def answered(self, now: float, size: int) -> "Pace":
        """Note that the read returned `size` bytes."""
        due = max(self.due, now + size / self.share.bytes_per_second)
        return replace(self, due=due, throttled=0)

    def refused(self, now: float, jitter: float) -> "Pace":
        """Note that Kinesis throttled. The wait grows with each refusal in a row. `jitter` (0 to 1)
        keeps several readers apart: the wait is between half and all of it."""
        wait = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2 ** min(self.throttled, 10))
        return replace(self, due=now + wait * (0.5 + jitter / 2), throttled=self.throttled + 1)
