"""When the samples of a recording were received, as a few points of a clock.

A batch has the time at which its last frame was received, by the gateway's clock. That time stays
in the record however late the record reaches the log. Frames nearly always come at the pace of the
audio. A point is added when they do not: after an interruption of the network, or when the two
clocks have drifted apart.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from pipeline.media.runs import SAMPLES_PER_MS
from schemas.records import ClockPoint, RecorderTrack

TOLERANCE_MS = 60
"""How far a batch may be from the pace of earlier ones: the gateway reads sockets every 40 ms."""
_POINTS_PER_TOLERANCE = 500
"""After this many further points the tolerance doubles, so that their number stays small."""


class ReceiveClock:
    """The points. Call `note` for each batch in order. `points` and `ReceiveClock(points)` stop and
    continue."""

    __slots__ = ("_offset", "_points", "_tolerance")

    def __init__(self, points: Sequence[ClockPoint] = ()) -> None:
        self._points = list(points)
        self._tolerance = _tolerance(len(self._points))
        last = self._points[-1] if self._points else None
        self._offset = 0 if last is None else last.at - last.sample // SAMPLES_PER_MS

    @property
    def points(self) -> tuple[ClockPoint, ...]:
        """All points, ascending by sample."""
        return tuple(self._points)

    def note(self, begin: int, offset: int) -> None:
        """Note a batch. `begin`: the sample at which its audio begins; `offset`: by how many ms its
        last frame was received after its place in the audio."""
        if self._points and abs(offset - self._offset) <= self._tolerance:
            return
        self._points.append(ClockPoint(begin, offset + begin // SAMPLES_PER_MS))
        self._offset = offset
        self._tolerance = _tolerance(len(self._points))


def samples_between(
    points: Sequence[ClockPoint], begin_at: int, end_at: int | None, samples: int
) -> Iterator[tuple[int, int]]:
    """Yield the samples, [first, last), that were received from `begin_at` on and before `end_at`
    (ms; None: without end). Ascending and merged. `samples`: the length of the recording."""
    span: tuple[int, int] | None = None
    for number, point in enumerate(points):
        end = points[number + 1].sample if number + 1 < len(points) else samples
        start = 0 if not number else point.sample
        first = max(start, _sample(point, begin_at))
        last = end if end_at is None else min(end, _sample(point, end_at))
        if last <= first:
            continue
        if span is not None and first <= span[1]:
            span = (span[0], max(span[1], last))
            continue
        if span is not None:
            yield span
        span = (first, last)
    if span is not None:
        yield span


def frames_received_at(
    tracks: Sequence[RecorderTrack], points: Sequence[ClockPoint], opened_at: int
) -> tuple[int | None, int | None]:
    """Return when the first and the last frame of the audio were received (ms, by the gateway's
    clock), as exactly as the points say; None: there is no frame. `opened_at`: when the media
    stream opened. No frame was received before that."""
    begun = [track for track in tracks if track.seen]
    if not begun or not points:
        return None, None
    first = min(track.seen[0].first for track in begun) * SAMPLES_PER_MS
    last = max(track.end or 0 for track in begun)
    after_first = bisect_right(points, first, key=_first_sample)
    after_last = bisect_left(points, last, key=_first_sample)
    first_at = max(_received_at(points[max(after_first - 1, 0)], first), opened_at)
    return first_at, max(_received_at(points[max(after_last - 1, 0)], last), first_at)


def _first_sample(point: ClockPoint) -> int:
    return point.sample


def _received_at(point: ClockPoint, sample: int) -> int:
    return point.at + (sample - point.sample) // SAMPLES_PER_MS


def _sample(point: ClockPoint, at: int) -> int:
    return point.sample + (at - point.at) * SAMPLES_PER_MS


def _tolerance(points: int) -> int:
    doublings: int = points // _POINTS_PER_TOLERANCE
    return TOLERANCE_MS << doublings
