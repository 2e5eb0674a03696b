"""Whose audio a recording is, and what the numbers of its batches tell."""

from dataclasses import replace

from schemas.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Recording:
    """Whose audio it is, and since when (`started_at` and `epoch` in ms, the gateway's clock)."""

    stream_sid: str
    call_sid: str
    task_sid: str
    name: str | None
    generation: int
    gateway: str
    epoch: int
    started_at: int
    first_offset: int


@dataclass(frozen=True, slots=True)
class Batches:
    """What batch numbers tell: how many came, the highest, how many were skipped, not new, or
    thrown away by the gateway, which said so."""

    count: int = 0
    last: int = 0
    missing: int = 0
    repeated: int = 0
    dropped: int = 0

    def with_next(self, count: int) -> "Batches":
        """And so many more, each numbered as it should be."""
        return replace(self, count=self.count + count, last=self.last + count)

    def with_number(self, number: int) -> "Batches":
        """And one more."""
        if number > self.last:
            missing = self.missing + number - self.last - 1
            return replace(self, count=self.count + 1, last=number, missing=missing)
        return replace(self, count=self.count + 1, repeated=self.repeated + 1)

    def with_dropped(self, first: int, last: int) -> "Batches":
        """And these numbers, which were thrown away; those that are not new were told before."""
        if last <= self.last:
            return self
        missing = max(0, first - self.last - 1)
        dropped = last - self.last - missing
        return replace(
            self, last=last, missing=self.missing + missing, dropped=self.dropped + dropped
        )

    def up_to(self, last: int) -> "Batches":
        """And no more: so many were sent, says the gateway."""
        missing = max(0, last - self.last)
        return replace(self, missing=self.missing + missing)
