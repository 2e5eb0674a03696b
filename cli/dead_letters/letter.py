"""A dead letter on its topic, and the filter of a command. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from schemas.records import DeadLetter, DeadLetterRetried

LetterId = tuple[int, int]
"""Partition and offset on `cti.dead-letters`."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter. `at` is its log time (ms), `headers` are the record's headers."""

    id: LetterId
    at: int
    headers: Mapping[str, bytes]
    record: DeadLetter
    retried: DeadLetterRetried | None = None
    """The latest retry."""

    @property
    def name(self) -> str:
        """The letter's ID as text."""
        return f"{self.id[0]}-{self.id[1]}"


def key_of(letter: Letter) -> bytes:
    """Return the key of its mark on `cti.dead-letters.retried`."""
    return letter.name.encode()


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """The filter of a command. None, or no IDs: all."""

    ids: Collection[LetterId] = ()
    reason: str | None = None
    since: int | None = None
    task_sid: str | None = None

    def of(self, letters: Iterable[Letter]) -> tuple[Letter, ...]:
        """Return the matching letters, oldest first."""
        return tuple(
            sorted((each for each in letters if self._wants(each)), key=lambda e: (e.at, e.id))
        )

    def _wants(self, letter: Letter) -> bool:
        return (
            (not self.ids or letter.id in self.ids)
            and self.reason in (None, letter.record.reason)
            and self.task_sid in (None, letter.record.task_sid)
            and (self.since is None or letter.at >= self.since)
        )


def is_of(mark: DeadLetterRetried, letter: Letter) -> bool:
    """Return whether the mark belongs to the letter, and not to a letter of a topic that was
    deleted since."""
    same_place = (mark.partition, mark.offset) == letter.id
    return same_place and mark.given_up_at == letter.record.at
