"""Which worker a recording belongs to: matched by extension, through the monitored sessions that
were open meanwhile. Pure."""

from collections.abc import Iterable

from schemas.records import Session


def extension_at(sessions: Iterable[Session], at: int) -> str | None:
    """The extension of the monitored worker whose session was open at `at` (ms), of several the
    first; of none open, of the one nearest: the gateway's clock is not TaskRouter's."""
    monitored = [s for s in sessions if s.monitored and s.extension is not None]
    nearest = min(monitored, key=lambda s: (_distance(s, at), _start(s)), default=None)
    return None if nearest is None else nearest.extension


def extensions_during(sessions: Iterable[Session], start: int, end: int | None) -> tuple[str, ...]:
    """The extensions of all monitored workers whose sessions overlap `start` to `end` (ms; None: it
    goes on), in the order in which they came; that of `extension_at` always among them."""
    known = sorted((s for s in sessions if s.monitored and s.extension is not None), key=_start)
    first = extension_at(known, start)
    found = (s.extension for s in known if s.extension == first or _overlaps(s, start, end))
    return tuple(dict.fromkeys(extension for extension in found if extension is not None))


def _start(session: Session) -> int:
    return session.started_at or 0


def _distance(session: Session, at: int) -> int:
    if at < _start(session):
        return _start(session) - at
    return 0 if session.ended_at is None else max(0, at - session.ended_at)


def _overlaps(session: Session, start: int, end: int | None) -> bool:
    begins_in_time = end is None or _start(session) <= end
    return begins_in_time and (session.ended_at is None or session.ended_at >= start)
