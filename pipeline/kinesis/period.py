"""The period of a Kinesis stream that is bridged, by the records' arrival times. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.kinesis.messages import KinesisRecord

LEEWAY_MS = 1_000
"""Arrival times in a shard are approximate: a record may follow one with a later arrival time. So a
shard is read this far beyond the end."""


@dataclass(frozen=True, slots=True)
class Period:
    """`begins_at` inclusive (None: from the oldest record), `ends_at` exclusive (None: without
    end); ms, by Kinesis' arrival times."""

    begins_at: int | None = None
    ends_at: int | None = None

    def of(self, records: Iterable[KinesisRecord]) -> tuple[KinesisRecord, ...]:
        """Return the records that arrived in this period."""
        return tuple(record for record in records if self._holds(record.arrived_at))

    def is_over(self, records: Iterable[KinesisRecord], behind_ms: int, now: int) -> bool:
        """Return whether no further record of this period can follow in the shard, after a read
        that returned `records` and ended `behind_ms` before the shard's tip."""
        if self.ends_at is None:
            return False
        end = self.ends_at + LEEWAY_MS
        found = tuple(records)
        if not found:
            return behind_ms == 0 and now >= end
        return any(record.arrived_at >= end for record in found)

    def _holds(self, at: int) -> bool:
        begun = self.begins_at is None or at >= self.begins_at
        return begun and (self.ends_at is None or at < self.ends_at)


ALWAYS = Period()
