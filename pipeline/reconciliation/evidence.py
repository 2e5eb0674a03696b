"""The evidence about a task: the union of all findings, in any order and with any repetition.
Pure."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from schemas.records import EndedConference, ReconciliationEvidence

MOST = 500
"""The most reservations, conferences and recordings of a task, and call SIDs of a conference: those
with the smallest SIDs. A record must stay below 4 MB."""
MOST_EVENTS = 5_000

T = TypeVar("T")


def empty(task_sid: str) -> ReconciliationEvidence:
    """Return evidence without findings."""
    return ReconciliationEvidence(task_sid, (), (), (), (), is_examined=False, checked_at=0)


def merged(one: ReconciliationEvidence, other: ReconciliationEvidence) -> ReconciliationEvidence:
    """Return the union of two findings about the same task. If there are two statements about the
    same object, the one with more content counts, because Twilio redacts and deletes content but
    never adds any."""
    return ReconciliationEvidence(
        task_sid=one.task_sid,
        reservations=_union(
            (*one.reservations, *other.reservations), lambda r: r.reservation_sid, _greater
        ),
        conferences=_union(
            (*one.conferences, *other.conferences), lambda c: c.conference_sid, _joined
        ),
        recordings=_union((*one.recordings, *other.recordings), lambda r: r.recording_sid, _later),
        added_events=tuple(sorted({*one.added_events, *other.added_events}))[:MOST_EVENTS],
        is_examined=one.is_examined or other.is_examined,
        checked_at=max(one.checked_at, other.checked_at),
    )


def is_news(known: ReconciliationEvidence | None, found: ReconciliationEvidence) -> bool:
    """Return whether the finding adds something to the known evidence."""
    if known is None:
        return True
    return replace(merged(known, found), checked_at=known.checked_at) != known


def _union(
    values: Iterable[T], key: Callable[[T], str], join: Callable[[T, T], T]
) -> tuple[T, ...]:
    by_key: dict[str, T] = {}
    for value in values:
        known = by_key.get(key(value))
        by_key[key(value)] = value if known is None else join(known, value)
    return tuple(by_key[k] for k in sorted(by_key)[:MOST])


def _joined(one: EndedConference, other: EndedConference) -> EndedConference:
    # `date_updated` may change after the end. The first value that was seen is the nearest to the
    # end.
    return EndedConference(
        one.conference_sid,
        _least(one.started_at, other.started_at),
        _least(one.ended_at, other.ended_at),
        tuple(sorted({*one.call_sids, *other.call_sids})[:MOST]),
    )


def _least(one: int | None, other: int | None) -> int | None:
    return min((at for at in (one, other) if at is not None), default=None)


_AVAILABLE = ("in-progress", "paused", "stopped", "processing", "completed", "absent", "deleted")


def _later(one: T, other: T) -> T:
    """Return the statement with the later status: a deleted recording stays deleted."""
    return max(one, other, key=lambda r: (_life(r), repr(r)))


def _life(recording: object) -> int:
    status = getattr(recording, "status", "")
    return _AVAILABLE.index(status) if status in _AVAILABLE else -1


def _greater(one: T, other: T) -> T:
    return max(one, other, key=lambda value: (-repr(value).count("None"), repr(value)))
