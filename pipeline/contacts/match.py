"""Which worker a recording belongs to: matched by extension, through the times in which a worker
was on the call and on the list. Pure."""

from collections.abc import Iterable

from pipeline.policy.monitored_list import Stretch
from schemas.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Watched:
    """A session of a worker who was monitored in these `stretches`, one after the other, at least
    one."""

    extension: str
    stretches: tuple[Stretch, ...]


def extension_at(watched: Iterable[Watched], at: int) -> str | None:
    """The extension of the worker who was monitored at `at` (ms), of several the first; of none, of
    the one who was nearest to it: the gateway's clock is not TaskRouter's."""
    nearest = min(watched, key=lambda w: (_distance(w, at), w.stretches[0]), default=None)
    return None if nearest is None else nearest.extension


def extensions_during(watched: Iterable[Watched], start: int, end: int | None) -> tuple[str, ...]:
    """The extensions of all who were monitored between `start` and `end` (ms; None: it goes on), in
    the order in which they came to be; that of `extension_at` always among them."""
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
