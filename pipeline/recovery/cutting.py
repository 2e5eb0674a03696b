"""Which part of a recording of Twilio's is kept: the time in which the call had to be recorded.
Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.contacts.spans import Span, common, normalized, without
from pipeline.media.runs import SAMPLES_PER_MS

SHORTEST_MS = 20
"""A shorter piece is not kept."""


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
    """Return the part of a recording that must be kept; None: nothing.

    `started_at`: start of the recording (ms), which may be off by `uncertain_ms`. At each edge of
    the required time inside the recording, so much is left out: audio that must not be kept is
    worse than audio that is lost.
    """
    whole = (started_at, started_at + samples // SAMPLES_PER_MS)
    kept = [
        (
            start + (uncertain_ms if start > whole[0] else 0),
            end - (uncertain_ms if end < whole[1] else 0),
        )
        for start, end in common((whole,), normalized(required))
    ]
    pieces = [
        ((start - started_at) * SAMPLES_PER_MS, (end - started_at) * SAMPLES_PER_MS)
        for start, end in kept
        if end - start >= SHORTEST_MS
    ]
    if not pieces:
        return None
    if kept[-1][1] == whole[1]:  # the samples after the last whole millisecond
        pieces[-1] = (pieces[-1][0], samples)
    first, last = pieces[0][0], pieces[-1][1]
    return Cut(first, last, without((first, last), pieces))
