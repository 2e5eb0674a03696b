"""Find the worker that a recording belongs to, from the periods in which workers were on the call
and on the list. Pure."""

from collections.abc import Iterable

from pipeline.policy.monitored_list import Stretch
from schemas.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Watched:
    """A session of a worker with the times in which the worker was monitored: at least one, in
    order."""

    extension: str
    stretches: tuple[Stretch, ...]


def extension_at(watched: Iterable[Watched], at: int) -> str | None:
    """Return the extension of the worker monitored at `at` (ms); of several, the first. If there is
    none, return that of the nearest in time: the clocks of gateway and TaskRouter differ."""
    nearest = min(watched, key=lambda w: (_distance(w, at), w.stretches[0]), default=None)
    return None if nearest is None else nearest.extension


def extensions_during(watched: Iterable[Watched], start: int, end: int | None) -> tuple[str, ...]:
    """Return the extensions of all workers monitored between `start` and `end` (ms; None: not over
    yet), in the order in which they joined. The one of `extension_at` is always among them."""
    known = sorted(watched, key=lambda w: w.stretches[0])
    first = extension_at(known, start)
    found = (w.extension for w in known if w.extension == first or _overlaps(w, start, end))
    return tuple(dict.fromkeys(found))


def _distance(watched: Watched, at: int) -> int:
    return min(max(since - at, at - until, 0) for since, until in watched.stretches)


def _overlaps(watched: Watched, start: int, end: int | None) -> bool:
    return any(
        until >= start and (end is None or since <= end) for since, until in watched.stretches
    )
