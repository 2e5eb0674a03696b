"""The keys of the objects in the lake. Pure.

- `topic=NAME/day=YYYY-MM-DD/PP-OFFSET.parquet`: the records of partition PP from OFFSET on.
- `_claims/NAME/PP/OFFSET`: the day of the file that begins at OFFSET, as text.
- `_heads/NAME/PP`: an offset for which there is a claim, so that the claims before it need not be
  listed.
- `_lake`: the marker with which a store shows that it never replaces an object.

Engines ignore names that begin with an underscore. Offsets have 20 digits, so that keys sort as
offsets.
"""

from dataclasses import dataclass
from datetime import date

from schemas.topics import CALLS, CONTACTS, CTI_EVENTS, RECORDINGS, STREAM_EVENTS, Topic

LANDED: tuple[Topic, ...] = (CTI_EVENTS, CALLS, STREAM_EVENTS, RECORDINGS, CONTACTS)
"""The topics that are landed: all records of calls, and no audio."""

MARKER = "_lake"
FORMAT = b"flexcapture lake, format 1\n"
"""The content of the marker."""

_DAY_MS = 24 * 60 * 60 * 1000
_EPOCH = date(1970, 1, 1).toordinal()
_LAST_DAY = date.max.toordinal() - _EPOCH
_DIGITS = 20


@dataclass(frozen=True, slots=True)
class PartitionRef:
    """A partition of a topic. `topic`: the name in Kafka, with the prefix."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.number}"

    def file_key(self, day: int, start: int) -> str:
        """Return the key of the file that begins at offset `start`."""
        name = f"{self.number:02d}-{start:0{_DIGITS}d}.parquet"
        return f"topic={self.topic}/day={day_text(day)}/{name}"

    @property
    def claims(self) -> str:
        """The directory of the partition's claims."""
        return f"_claims/{self.topic}/{self.number:02d}"

    def claim_key(self, start: int) -> str:
        """Return the key of the claim for the file that begins at offset `start`."""
        return f"{self.claims}/{start:0{_DIGITS}d}"

    @property
    def head_key(self) -> str:
        """The key of the partition's head."""
        return f"_heads/{self.topic}/{self.number:02d}"


def day_of(timestamp: int) -> int:
    """Return the day of a Kafka timestamp (ms), in days since 1970-01-01, UTC. A record without a
    time, or with one before 1970, counts as of the first day; one after the year 9999, as of the
    last."""
    return min(max(timestamp, 0) // _DAY_MS, _LAST_DAY)


def day_text(day: int) -> str:
    """Return a day as YYYY-MM-DD."""
    return date.fromordinal(_EPOCH + day).isoformat()


def day_from(text: str) -> int:
    """Return the day that `day_text` wrote. Raise `ValueError`."""
    return date.fromisoformat(text.strip()).toordinal() - _EPOCH


def start_of(key: str) -> int | None:
    """Return the offset at the end of a claim's key; None: it is no key of a claim."""
    name = key.rpartition("/")[2]
    return int(name) if name.isdecimal() else None
