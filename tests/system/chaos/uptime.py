"""When the pipeline could work: which processes lived when, and from when on it could know a thing.

Pure; times are milliseconds since the epoch.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

UP_MS = 3_000
"""A process that has lived for this is counted on."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `begin` to `end`."""

    begin: int
    end: int

    def meets(self, other: "Span") -> bool:
        """Whether the two have a moment in common."""
        return self.begin < other.end and other.begin < self.end


@dataclass(frozen=True, slots=True)
class Life:
    """One process from its start to its end; `end` None: it lives. `killed`: by us."""

    pid: int
    start: int
    end: int | None = None
    killed: bool = False


def down(lives: Mapping[str, Sequence[Life]], until: int, up_ms: int = UP_MS) -> list[Span]:
    """Return the periods in which not every process had been up for `up_ms`: from each death until
    that long after the next start, or until `until` if there was none. The time before the first
    start does not count."""
    spans = []
    for process_lives in lives.values():
        for life, following in zip(process_lives, [*process_lives[1:], None], strict=True):
            if life.end is not None:
                spans.append(Span(life.end, following.start + up_ms if following else until))
    return spans


def moment(known_at: int, blocked: Iterable[Span], window_ms: int) -> int:
    """Return the time from which the pipeline could act on facts known since `known_at`: the first
    moment after which nothing in `blocked` occurs for `window_ms`."""
    at = known_at
    for span in sorted(blocked, key=lambda span: (span.begin, span.end)):
        if span.meets(Span(at, at + window_ms)):
            at = max(at, span.end)
    return at


def joined(spans: Iterable[Span]) -> list[Span]:
    """The same time in as few spans as possible, in order."""
    whole: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.begin, span.end)):
        if whole and span.begin <= whole[-1].end:
            whole[-1] = Span(whole[-1].begin, max(whole[-1].end, span.end))
        else:
            whole.append(span)
    return whole


def overlap(spans: Iterable[Span], others: Sequence[Span]) -> list[Span]:
    """The time that is in both."""
    return joined(
        Span(max(a.begin, b.begin), min(a.end, b.end)) for a in spans for b in others if a.meets(b)
    )


def without(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """The time that is in `spans` and not in `others`."""
    left = joined(spans)
    for other in others:
        cut = []
        for span in left:
            if not span.meets(other):
                cut.append(span)
                continue
            cut += [
                s
                for s in (Span(span.begin, other.begin), Span(other.end, span.end))
                if s.begin < s.end
            ]
        left = cut
    return left
