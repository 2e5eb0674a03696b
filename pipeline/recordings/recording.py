"""The identity of a recording, and the numbers of its batches."""

from collections.abc import Iterable
from dataclasses import replace

from schemas.fast_dataclass import dataclass
from schemas.records import BatchRange, RecorderCheckpoint


@dataclass(frozen=True, slots=True)
class Recording:
    """The identity of a recording. `started_at` and `epoch` are in ms, by the gateway's clock.

    `part` is 0 for the first recording of a media stream, and the number of the first batch for a
    supplement. It is negative if that batch was dropped (the batch may still come, and then begins
    another supplement). For a supplement, `supplement_of` is the INUM of the recording that it
    belongs to, and `named_at` the time of its first batch, for the INUM (0: `started_at`).
    `by_task` is False if an earlier version began it: its files are named after the stream SID
    alone.
    """

    stream_sid: str
    call_sid: str
    task_sid: str
    name: str | None
    generation: int
    gateway: str
    epoch: int
    started_at: int
    first_offset: int
    part: int = 0
    supplement_of: str = ""
    by_task: bool = True
    named_at: int = 0


@dataclass(frozen=True, slots=True)
class Batches:
    """Counts from batch numbers: how many came, the highest, how many were skipped, were repeated,
    or were dropped with a report of the gateway; and the numbers that came, as ascending ranges."""

    count: int = 0
    last: int = 0
    missing: int = 0
    repeated: int = 0
    dropped: int = 0
    ranges: tuple[BatchRange, ...] = ()

    def has(self, number: int) -> bool:
        """Return whether the batch of this number came."""
        return any(each.first <= number <= each.last for each in self.ranges)

    def with_next(self, count: int) -> "Batches":
        """Add `count` batches, each numbered one more than the batch before it."""
        if not count:
            return self
        last = self.last + count
        ranges = with_range(self.ranges, BatchRange(self.last + 1, last))
        return replace(self, count=self.count + count, last=last, ranges=ranges)

    def with_number(self, number: int) -> "Batches":
        """Add one batch."""
        ranges = with_range(self.ranges, BatchRange(number, number))
        if number > self.last:
            missing = self.missing + number - self.last - 1
            return replace(self, count=self.count + 1, last=number, missing=missing, ranges=ranges)
        return replace(self, count=self.count + 1, repeated=self.repeated + 1, ranges=ranges)

    def with_dropped(self, first: int, last: int) -> "Batches":
        """Add numbers of batches that the gateway dropped. Numbers that are not new change
        nothing."""
        if last <= self.last:
            return self
        missing = max(0, first - self.last - 1)
        dropped = last - self.last - missing
        return replace(
            self, last=last, missing=self.missing + missing, dropped=self.dropped + dropped
        )

    def up_to(self, last: int) -> "Batches":
        """Count later batches up to `last`, the last one that the gateway sent, as missing."""
        missing = max(0, last - self.last)
        return replace(self, missing=self.missing + missing)


def batches_of(checkpoint: RecorderCheckpoint) -> Batches:
    """Return the batch numbers in a checkpoint. An earlier version noted only the highest number:
    all numbers up to it are then in."""
    c, ranges = checkpoint, checkpoint.ranges
    if not c.by_task and c.last_batch:
        ranges = with_range(ranges, BatchRange(1, c.last_batch))
    counts = (c.batches, c.last_batch, c.missing_batches, c.repeated_batches, c.dropped_batches)
    return Batches(*counts, ranges)


def with_range(known: Iterable[BatchRange], more: BatchRange) -> tuple[BatchRange, ...]:
    """Return the union of ascending ranges and one more; ranges that touch become one."""
    merged: list[BatchRange] = []
    for each in sorted([*known, more], key=lambda each: each.first):
        last = merged[-1] if merged else None
        if last is not None and each.first <= last.last + 1:
            merged[-1] = BatchRange(last.first, max(last.last, each.last))
        else:
            merged.append(each)
    return tuple(merged)
