"""How late requests are, in spans of time in which something happens to a role. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.rows import percentile

LATE_MS = 1_000
_HEADINGS = ("while a process", "times", "stops", "p50", "p95", "latest", "later than 1 s", "never")


@dataclass(frozen=True, slots=True)
class Span:
    """A time (ms), and the change that began with it."""

    change: str
    began_at: int
    ended_at: int


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop that was due at `due_at` (ms), and when it was requested; None: never."""

    due_at: int
    requested_at: int | None


@dataclass(frozen=True, slots=True)
class Lateness:
    """The stops that were due in `times` spans of one change. `waits`: how late each one was (ms);
    `never`: how many were not requested at all."""

    change: str
    times: int
    waits: Sequence[float]
    never: int

    def at(self, percent: int) -> float:
        """Return a percentile (ms); NaN without stops."""
        return percentile(self.waits, percent) if self.waits else float("nan")

    @property
    def latest(self) -> float:
        """The longest wait (ms)."""
        return max(self.waits, default=float("nan"))

    @property
    def late(self) -> int:
        """How many were later than a second."""
        return sum(wait > LATE_MS for wait in self.waits)

    def cells(self) -> tuple[str, ...]:
        """Return the texts of the row."""
        times = (f"{each:,.0f} ms" for each in (self.at(50), self.at(95), self.latest))
        counts = (str(self.late), str(self.never))
        return (self.change, str(self.times), str(len(self.waits)), *times, *counts)


def by_change(spans: Iterable[Span], stops: Iterable[Stop]) -> Mapping[str, Lateness]:
    """Return the lateness for each change, in the order of the first spans. Stops that were due
    outside of all spans do not count."""
    of: dict[str, list[Span]] = {}
    for span in spans:
        of.setdefault(span.change, []).append(span)
    known = list(stops)
    return {change: _lateness(change, each, known) for change, each in of.items()}


def _lateness(change: str, spans: Sequence[Span], stops: Iterable[Stop]) -> Lateness:
    within = [s for s in stops if any(n.began_at <= s.due_at < n.ended_at for n in spans)]
    waits = [s.requested_at - s.due_at for s in within if s.requested_at is not None]
    return Lateness(change, len(spans), waits, len(within) - len(waits))


def markdown(found: Iterable[Lateness]) -> str:
    """Return the lateness as a Markdown table."""
    lines = [_HEADINGS, ("---",) * len(_HEADINGS), *(each.cells() for each in found)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
