"""A contact's sessions, recordings and gaps on a time line, as bars to draw. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from console.account import reason_of_gap
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
    """A bar. `label`: the label of its row, empty for all but the first bar of a row. `kind`: its
    CSS classes. `title`: its tooltip."""

    label: str
    kind: str
    y: int
    x: float
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class TickMark:
    """A mark on the axis, with its time as text."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class TimeLine:
    """All parts of the drawing, in a box `WIDTH` by `height`."""

    height: int
    bars: tuple[Bar, ...]
    ticks: tuple[TickMark, ...]


def time_line(contact: Contact, now: int) -> TimeLine:
    """Return the time line of a contact. Bars without an end last until `now` (ms)."""
    now = max(now, contact.updated_at)  # this machine's clock may be behind log time
    start, end = _extent(contact, now)
    scale = (WIDTH - LABEL) / max(1, end - start)
    rows = [[part] for part in (*_sessions(contact, end), *_recordings(contact, end))]
    rows += [gaps] if (gaps := list(_gaps(contact))) else []
    bars = tuple(
        Bar(
            part.label,
            part.kind,
            AXIS + row * ROW,
            round(LABEL + (part.start - start) * scale, 1),
            round(max(_MIN_BAR, (part.end - part.start) * scale), 1),
            f"{part.title}: {clock(part.start)}, {lasting(part.end - part.start)} long",
        )
        for row, parts in enumerate(rows)
        for part in parts
    )
    ticks = tuple(
        TickMark(round(LABEL + (at - start) * scale, 1), clock(at)) for at in _ticks(start, end)
    )
    return TimeLine(AXIS + len(rows) * ROW + 6, bars, ticks)


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
        name = "Supplement" if recording.supplement_of else "Recording"
        kind = f"recording {recording.state}"
        yield _Part(name, kind, f"{name} {recording.inum}", start, ended)


def _gaps(contact: Contact) -> Iterator[_Part]:
    """Yield the gaps, which share a row."""
    for number, gap in enumerate(contact.gaps):
        title = f"Missing, {reason_of_gap(gap.reason)}"
        yield _Part("" if number else "Missing", "gap", title, gap.started_at, gap.ended_at)


def _extent(contact: Contact, now: int) -> tuple[int, int]:
    moments = [contact.started_at, contact.ended_at or now]
    for session in contact.sessions:
        moments += [at for at in (session.started_at, session.ended_at) if at is not None]
    for recording in contact.recordings:
        at = recording.started_at
        moments += [at, at + (recording.duration_ms or 0)]
    for gap in contact.gaps:
        moments += [gap.started_at, gap.ended_at]
    return min(moments), max(moments)


def _ticks(start: int, end: int) -> list[int]:
    wanted = (end - start) / 1000 / _MAX_TICKS
    longest = _STEPS_S[-1]
    step = 1000 * next((s for s in _STEPS_S if s >= wanted), longest * ceil(wanted / longest))
    first = -(-start // step) * step
    return list(range(first, end + 1, step))
