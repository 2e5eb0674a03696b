"""A contact's sessions and recordings on a time line, as bars to draw. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from console.times import clock, lasting
from schemas.records import Contact

WIDTH = 1000
LABEL = 230
ROW = 30
AXIS = 26
_MIN_BAR = 3
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)
_MAX_TICKS = 7


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: its label, and its bar from `x`, `width` wide. `kind` is a CSS class."""

    label: str
    kind: str
    y: int
    x: float
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class TickMark:
    """A moment on the axis."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class TimeLine:
    """All that is drawn, in a box `WIDTH` by `height`."""

    height: int
    bars: tuple[Bar, ...]
    ticks: tuple[TickMark, ...]


def time_line(contact: Contact, now: int) -> TimeLine:
    """The time line of a contact; what has not ended goes on until `now` (ms)."""
    start, end = _extent(contact, now)
    scale = (WIDTH - LABEL) / max(1, end - start)
    parts = [*_sessions(contact, end), *_recordings(contact, end)]
    bars = tuple(
        Bar(
            part.label,
            part.kind,
            AXIS + row * ROW,
            round(LABEL + (part.start - start) * scale, 1),
            round(max(_MIN_BAR, (part.end - part.start) * scale), 1),
            f"{part.title}: {clock(part.start)}, {lasting(part.end - part.start)} long",
        )
        for row, part in enumerate(parts)
    )
    ticks = tuple(
        TickMark(round(LABEL + (at - start) * scale, 1), clock(at)) for at in _ticks(start, end)
    )
    return TimeLine(AXIS + len(bars) * ROW + 6, bars, ticks)


@dataclass(frozen=True, slots=True)
class _Part:
    label: str
    kind: str
    title: str
    start: int
    end: int


def _sessions(contact: Contact, end: int) -> Iterator[_Part]:
    for session in contact.sessions:
        if session.started_at is not None:
            kind = "session monitored" if session.monitored else "session"
            who = session.extension or "unknown agent"
            yield _Part(who, kind, who, session.started_at, session.ended_at or end)


def _recordings(contact: Contact, end: int) -> Iterator[_Part]:
    for recording in contact.recordings:
        start = recording.started_at
        ended = end if recording.duration_ms is None else start + recording.duration_ms
        title = f"Recording {recording.inum}"
        yield _Part("Recording", f"recording {recording.state}", title, start, ended)


def _extent(contact: Contact, now: int) -> tuple[int, int]:
    moments = [contact.started_at, contact.ended_at or now]
    for session in contact.sessions:
        moments += [at for at in (session.started_at, session.ended_at) if at is not None]
    for recording in contact.recordings:
        at = recording.started_at
        moments += [at, at + (recording.duration_ms or 0)]
    return min(moments), max(moments)


def _ticks(start: int, end: int) -> list[int]:
    wanted = (end - start) / 1000 / _MAX_TICKS
    longest = _STEPS_S[-1]
    step = 1000 * next((s for s in _STEPS_S if s >= wanted), longest * ceil(wanted / longest))
    first = -(-start // step) * step
    return list(range(first, end + 1, step))
