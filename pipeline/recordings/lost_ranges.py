"""Why frames are missing: a hole in a track, divided into parts by reason.

The contract's rule gives the lost frames of the hole as a whole, and the parts add up to that
number: no frame is counted twice, whatever was reported about it.
"""

from collections.abc import Iterable, Sequence

from pipeline.media.runs import JITTER_SAMPLES, SAMPLES_PER_MS
from pipeline.media.timeline import SAMPLES_PER_FRAME, frames_in
from schemas.fast_dataclass import dataclass
from schemas.records import DroppedStretch, Run

NOT_RECEIVED = "not-received"
"""The timestamps have a hole, and so have the sequence numbers, or frames next to it were dropped.
Frames that Twilio sent, or may have sent, did not arrive at the gateway."""
NOT_SENT = "not-sent"
"""The timestamps have a hole, the sequence numbers have none: Twilio sent nothing."""
BATCH_MISSING = "batch-missing"
"""A batch of the gateway is not on `media`, without a report. The frames may have been in it."""
START = "start"
"""Silence before a track's first frame. It is no loss."""

MOST_STRETCHES = 1_000


@dataclass(frozen=True, slots=True)
class LostRange:
    """`samples` of silence in place of `lost` frames, which are missing for `reason`."""

    samples: int
    lost: int
    reason: str


def holes(
    begin: int, end: int, dropped: Iterable[DroppedStretch], otherwise: str
) -> tuple[LostRange, ...]:
    """Return the hole between two samples of a track, in parts; none if it is only jitter.

    `dropped` (ascending) may lie anywhere. The rest of the hole is missing for the reason
    `otherwise`. A part that would be shorter than the jitter belongs to its neighbour.
    """
    if end - begin < JITTER_SAMPLES:
        return ()
    parts: list[tuple[int, str]] = []  # the sample at which the part ends, and its reason
    at = begin
    for each in dropped:
        first, last = max(each.first, at), min(each.end, end)
        if last - first < JITTER_SAMPLES:
            continue
        if first - at >= JITTER_SAMPLES:
            parts.append((first, otherwise))
        parts.append((last, each.reason))
        at = last
    if end - at >= JITTER_SAMPLES or not parts:
        parts.append((end, otherwise))
    parts[-1] = (end, parts[-1][1])
    return tuple(_counted(begin, _joined(parts)))


def stretches(runs: Iterable[Run], reason: str) -> Iterable[DroppedStretch]:
    """Yield the places of the runs' frames in the track, by their timestamps."""
    for run in runs:
        first = run.timestamp * SAMPLES_PER_MS
        last = (run.timestamp + (run.frames - 1) * run.step) * SAMPLES_PER_MS
        yield DroppedStretch(first, last + run.size, reason)


def with_stretches(
    known: Sequence[DroppedStretch], more: Iterable[DroppedStretch]
) -> tuple[DroppedStretch, ...]:
    """Return all stretches, ascending. Those that touch become one, so that they stay few."""
    found: list[DroppedStretch] = []
    for each in sorted([*known, *more], key=lambda each: (each.first, each.end)):
        last = found[-1] if found else None
        touches = last and each.first - last.end < JITTER_SAMPLES and each.reason == last.reason
        if last and (touches or len(found) >= MOST_STRETCHES):
            found[-1] = DroppedStretch(last.first, max(last.end, each.end), last.reason)
        else:
            found.append(each)
    return tuple(found)


def beyond(known: Iterable[DroppedStretch], end: int) -> tuple[DroppedStretch, ...]:
    """Return the stretches that reach beyond `end`. Earlier ones are accounted for."""
    return tuple(each for each in known if each.end - end >= JITTER_SAMPLES)


def _joined(parts: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    joined: list[tuple[int, str]] = []
    for end, reason in parts:
        if joined and joined[-1][1] == reason:
            joined.pop()
        joined.append((end, reason))
    return joined


def _counted(begin: int, parts: Sequence[tuple[int, str]]) -> Iterable[LostRange]:
    at = counted = 0
    whole = frames_in(parts[-1][0] - begin)
    for number, (end, reason) in enumerate(parts, 1):
        so_far = (
            whole if number == len(parts) else min(whole, round((end - begin) / SAMPLES_PER_FRAME))
        )
        yield LostRange(end - begin - at, so_far - counted, reason)
        at, counted = end - begin, so_far
