"""The times in which a call had to be recorded and no audio was: a media stream died and was
started again. Pure."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from pipeline.calls.policy import RECORD
from schemas.records import ContactDecision, ContactGap, ContactRecording

SHORTEST_MS = 20
"""One frame: what is shorter is no gap."""


def gaps(
    recordings: Iterable[ContactRecording], decisions: Iterable[ContactDecision]
) -> tuple[ContactGap, ...]:
    """The gaps between recordings that follow one another, by time.

    A recording lasts from its start for as long as its audio does, both by the gateway's clock; one
    that is not complete goes on, as far as is known. A gap is where `record` was the decision at
    the one's end, and no other decision came before the next began. Overlap is no gap, and a
    recording without audio parts none: it is left out between others.
    """
    taken = sorted(decisions, key=lambda d: (d.at, d.decision))
    return tuple(gap for gap in _between(recordings) if _was_wanted(gap, taken))


def _between(recordings: Iterable[ContactRecording]) -> Iterator[ContactGap]:
    furthest: list[ContactRecording] = []
    ordered = sorted(recordings, key=lambda r: (r.started_at, r.inum))
    for recording in ordered:
        if recording.duration_ms == 0 and recording not in (ordered[0], ordered[-1]):
            continue
        if not furthest or _end(recording) > _end(furthest[-1]):
            furthest.append(recording)
    for before, after in pairwise(furthest):
        ended = _end(before)
        if after.started_at - ended >= SHORTEST_MS:
            yield ContactGap(int(ended), after.started_at, before.inum, after.inum)


def _end(recording: ContactRecording) -> float:
    if recording.duration_ms is None:
        return float("inf")
    return recording.started_at + recording.duration_ms


def _was_wanted(gap: ContactGap, decisions: Iterable[ContactDecision]) -> bool:
    held: str | None = None
    for decision in decisions:
        if decision.at <= gap.started_at:
            held = decision.decision
        elif decision.at <= gap.ended_at and decision.decision != RECORD:
            return False
    return held == RECORD
