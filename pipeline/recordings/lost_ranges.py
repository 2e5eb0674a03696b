"""Why frames are missing, range by range: a hole in a track, parted by reasons.

How many frames a hole lost is the contract's rule for the hole as a whole, and the parts add up to
it: no frame is counted twice, whatever was told of it.
"""

from collections.abc import Iterable, Sequence

from pipeline.media.runs import JITTER_SAMPLES, SAMPLES_PER_MS
from pipeline.media.timeline import SAMPLES_PER_FRAME, frames_in
from schemas.fast_dataclass import dataclass
from schemas.records import DroppedStretch, Run

NOT_RECEIVED = "not-received"
"""A hole in the timestamps, and in the sequence numbers or next to frames that were dropped: frames
that Twilio sent, or may have sent, did not come to the gateway."""
NOT_SENT = "not-sent"
"""A hole in the timestamps over which the sequence numbers run on: Twilio sent nothing."""
BATCH_MISSING = "batch-missing"
"""A batch of the gateway is not on `media`, nor did it say why; its frames may have been in it."""
START = "start"
"""Before a track's first frame: silence, and no loss."""

MOST_STRETCHES = 1_000


@dataclass(frozen=True, slots=True)
class Hole:
    """Silence of so many samples, in place of so many frames, which are missing for a reason."""

    samples: int
    lost: int
    reason: str


def holes(
    begin: int, end: int, dropped: Iterable[DroppedStretch], otherwise: str
) -> tuple[Hole, ...]:
    """The hole between two samples of a track, in parts; none where it is no more than jitter.

    `dropped` (ascending) lie anywhere; what is left of the hole beside them is missing for the
    reason `otherwise`. What would be no more than jitter is part of its neighbour.
    """
    if end - begin < JITTER_SAMPLES:
        return ()
    parts: list[tuple[int, str]] = []  # up to which sample, and why
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
    """Where the frames of runs would have lain, by their timestamps."""
    for run in runs:
        first = run.timestamp * SAMPLES_PER_MS
        last = (run.timestamp + (run.frames - 1) * run.step) * SAMPLES_PER_MS
        yield DroppedStretch(first, last + run.size, reason)


def with_stretches(
    known: Sequence[DroppedStretch], more: Iterable[DroppedStretch]
) -> tuple[DroppedStretch, ...]:
    """All of them, ascending, and few: those that touch are one."""
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
    """What of them lies after `end`: what is before is accounted for."""
    return tuple(each for each in known if each.end - end >= JITTER_SAMPLES)


def _joined(parts: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    joined: list[tuple[int, str]] = []
    for end, reason in parts:
        if joined and joined[-1][1] == reason:
            joined.pop()
        joined.append((end, reason))
    return joined


def _counted(begin: int, parts: Sequence[tuple[int, str]]) -> Iterable[Hole]:
    at = counted = 0
    whole = frames_in(parts[-1][0] - begin)
    for number, (end, reason) in enumerate(parts, 1):
        so_far = (
            whole if number == len(parts) else min(whole, round((end - begin) / SAMPLES_PER_FRAME))
        )
        yield Hole(end - begin - at, so_far - counted, reason)
        at, counted = end - begin, so_far
