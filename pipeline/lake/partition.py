"""When the records of a partition become a file, and which of them. Pure: no I/O, no clock.

The files of a partition are a chain: each begins at the offset at which the one before it ends, and
the first begins at 0. A file has records of one day. A file is named after its first offset, and a
store never replaces a file. So if several landers write a file with the same first offset, one
succeeds, and the others adopt its file and continue at its end (docs/decisions/0030).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from pipeline.lake.layout import day_of

K = TypeVar("K")

FIRST_AGE_S = 1.0
"""The age at which the first file after a start is closed. See `Partition.due`."""
RECORD_BYTES = 500
"""The approximate memory (bytes) of a record besides its key and value."""


class LogRecord(Protocol):
    """A record on the log. `timestamp`: ms since the epoch."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Closing(StrEnum):
    """Why a file is closed."""

    SIZE = "size"
    AGE = "age"
    DAY = "day"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class FileLimits:
    """The size (bytes, see `size_of`) and the age (s) at which a file is closed."""

    size: int
    age: float


@dataclass(frozen=True, slots=True)
class NextFile:
    """A file to write: the records of a partition at offsets from `start` up to, but not including,
    `end`, all of one day. It has no records if those that it was begun for have expired."""

    start: int
    end: int
    day: int
    records: Sequence[LogRecord]


class LogDiffers(Exception):
    """The log contradicts the lake: it is not the log that was landed before."""


class Partition:
    """The records of one partition that have been read and not landed yet.

    - `start`: the first offset of the next file.
    - `claimed`: the day of the next file, if a lander has claimed it; None: the day of its first
      record.
    - `now`: the time (s, of any monotonic clock), here and in all methods.
    """

    def __init__(self, start: int, claimed: int | None, now: float) -> None:
        self.start = start
        self.position = start
        """The next offset to read."""
        self.size = 0
        """The bytes of the records that wait."""
        self._claimed = claimed
        self._records: list[LogRecord] = []
        self._of_day = 0  # the number of records, from the first on, that belong to the next file
        self._day = claimed
        self._opened_at = now
        self._began_at = now

    def __len__(self) -> int:
        return len(self._records)

    def add(self, records: Iterable[LogRecord], now: float) -> None:
        """Add records, in the order of the log. Records before `position` are ignored: they were
        added before."""
        if not self._records:
            self._opened_at = now
        for record in records:
            if record.offset >= self.position:
                self._records.append(record)
                self.size += size_of(record)
                self.position = record.offset + 1
        self._count()

    def due(self, now: float, limits: FileLimits) -> Closing | None:
        """Return why the next file must be closed now, or None.

        A file is closed at `limits.age`. The first files after a start are closed much earlier:
        each after half of the time for which the partition has been read. So a process that is
        killed loses at most half of its work, even if that happens again and again.
        """
        if not self._records:
            return None
        if self._of_day < len(self._records):
            return Closing.DAY
        if self.size >= limits.size:
            return Closing.SIZE
        age = min(limits.age, max(FIRST_AGE_S, (now - self._began_at) / 2))
        return Closing.AGE if now - self._opened_at >= age else None

    def next_file(self) -> NextFile:
        """Return the file to write next. There must be records. Raise `LogDiffers` if the lake has
        another day for its first record."""
        assert self._day is not None
        records = self._records[: self._of_day]
        end = records[-1].offset + 1 if records else self._records[0].offset
        if end == self.start:
            raise LogDiffers(f"the lake has another day for offset {end}")
        return NextFile(self.start, end, self._day, records)

    def landed(self, end: int, now: float) -> bool:
        """Note that the lake has a file from `start` to `end`: the last `next_file`, or another
        lander's. Return whether `position` has changed: continue to read there."""
        assert end > self.start, "a file that ends where it begins"
        self.start, self._claimed, self._day, self._of_day = end, None, None, 0
        self._records = [record for record in self._records if record.offset >= end]
        self.size = sum(map(size_of, self._records))
        self._opened_at = now
        self._count()
        has_moved = end > self.position
        self.position = max(self.position, end)
        return has_moved

    def _count(self) -> None:
        """Count the first records that belong to the next file's day."""
        if self._day is None and self._records:
            self._day = day_of(self._records[0].timestamp)
        number, most = self._of_day, len(self._records)
        while number < most and day_of(self._records[number].timestamp) == self._day:
            number += 1
        self._of_day = number


def size_of(record: LogRecord) -> int:
    """Return the bytes that a record counts towards the size of a file."""
    return len(record.key or b"") + len(record.value or b"") + RECORD_BYTES


def to_read(sizes: Mapping[K, int], unread: Collection[K], limits: FileLimits) -> list[K] | None:
    """Return the partitions to read now; None: all.

    - `sizes`: the bytes that wait in memory, for each partition.
    - `unread`: the partitions with more records on the log.

    All partitions are read until the records of two files wait. Then only the two fullest
    partitions with unread records are read, so that files become large in a backlog although memory
    is limited. If the records of four files wait, which happens only if the lake cannot be written,
    nothing is read.
    """
    total = sum(sizes.values())
    if total < 2 * limits.size:
        return None
    if total >= 4 * limits.size:
        return []
    growing = [each for each in unread if sizes.get(each, 0) < limits.size]
    return sorted(growing, key=lambda each: -sizes.get(each, 0))[:2]
