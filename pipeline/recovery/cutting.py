"""Cut one of Twilio's recordings to the time in which the call had to be recorded. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.contacts.spans import Span, common, normalized, without
from pipeline.media.runs import SAMPLES_PER_MS

SHORTEST_MS = 20
"""The length (ms) below which a piece is not kept."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The part of a recording that is kept, in samples of the recording: from `first` up to `last`.
    `silenced`: parts of it that become silence, in order."""

    first: int
    last: int
    silenced: tuple[Span, ...]

    @property
    def samples(self) -> int:
        """The length of the result."""
        return self.last - self.first

    @property
    def silenced_ms(self) -> int:
        """The length of the silence, in ms."""
        return sum(last - first for first, last in self.silenced) // SAMPLES_PER_MS


def cut(started_at: int, samples: int, required: Sequence[Span], uncertain_ms: int) -> Cut | None:
    """Return the part of a recording that must be kept, or None if there is none.

    `started_at`: start of the recording (ms), which may be off by `uncertain_ms`. That much is left
    out at each edge of the required time: to keep audio that must not be kept is worse than to lose
    audio.
    """
    whole = (started_at, started_at - -samples // SAMPLES_PER_MS)  # its last ms may be incomplete
    certain = [
        (start + uncertain_ms, end - uncertain_ms)
        for start, end in normalized(required)
        if end - start > 2 * uncertain_ms
    ]
    pieces = [
        (
            (start - started_at) * SAMPLES_PER_MS,
            min((end - started_at) * SAMPLES_PER_MS, samples),
        )
        for start, end in common((whole,), certain)
        if end - start >= SHORTEST_MS
    ]
    if not pieces:
        return None
    first, last = pieces[0][0], pieces[-1][1]
    return Cut(first, last, without((first, last), pieces))
