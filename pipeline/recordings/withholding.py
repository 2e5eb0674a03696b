"""Leave out of a recording the audio that must not be kept: make it silence, or cut it off at the
end.

The samples follow from the decisions and from the times at which samples were received. The frames
in them follow from the recording's entries, as `pipeline.recordings.manifest.entry` writes them. A
frame belongs to the span that has its first sample.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.media.runs import SAMPLES_PER_MS
from pipeline.recordings.decisions import DecisionPeriod
from pipeline.recordings.effects import RecordingEnded, Withheld, WithheldSpan
from pipeline.recordings.received_at import samples_between
from schemas.records import ClockPoint, RecorderTrack

Range = tuple[int, int]
"""Samples, [first, last)."""


def spans_of(
    withheld: Iterable[DecisionPeriod], clock: Sequence[ClockPoint], samples: int
) -> tuple[WithheldSpan, ...]:
    """Return the spans of a recording of `samples` samples in these periods, ascending."""
    return tuple(
        WithheldSpan(first, last, period)
        for period in withheld
        for first, last in samples_between(clock, period.begin_at, period.end_at, samples)
    )


def without_withheld(ended: RecordingEnded, entries: Iterable[Mapping[str, Any]]) -> RecordingEnded:
    """Return the recording as it must be stored: its counts, its length, and the samples that
    become silence. `entries`: of all its segments, including the last."""
    if not ended.spans:
        return ended
    found = [_Track(track.track, [0] * len(ended.spans), track.end) for track in ended.tracks]
    for entry in entries:
        for track in found:
            for piece in entry["tracks"][track.name]["ranges"]:
                track.take(piece, ended.spans)
    ends = [track.end_of_kept() for track in found]
    samples = max((end or 0 for end in ends), default=0)
    silenced = tuple(tuple(_below(track.silenced, samples)) for track in found)
    reaches_end = ended.spans[-1].last >= ended.samples
    inbound, outbound = (tuple(track.frames) for track in found)
    return replace(
        ended,
        samples=samples,
        tracks=tuple(
            _counted(known, track, end)
            for known, track, end in zip(ended.tracks, found, ends, strict=True)
        ),
        at_end=None if reaches_end else ended.at_end,
        withheld=Withheld(
            tuple(zip(inbound, outbound, strict=True)),
            silenced,
            sum(last - first for first, last in _union(silenced)) // SAMPLES_PER_MS,
        ),
    )


@dataclass(slots=True)
class _Track:
    """One track: withheld frames by span, silenced samples, and lost frames that do not count
    because they are in a span. `heard`: end of the last frame that is kept, in samples."""

    name: str
    frames: list[int]
    end: int | None
    silenced: list[Range] = field(default_factory=list)
    excused: Counter[str] = field(default_factory=Counter)
    heard: int = 0

    def take(self, piece: Mapping[str, Any], spans: Sequence[WithheldSpan]) -> None:
        """Add a range of the track. The ranges must come in order."""
        if piece["kind"] == "lost":
            for span in spans:
                self._excuse(piece, span)
        elif piece["kind"] == "received":
            self._withhold(piece, spans)

    def end_of_kept(self) -> int | None:
        """Return the end of the track in samples, without withheld frames at its end."""
        if not self.silenced or self.end is None or self.silenced[-1][1] < self.end:
            return self.end
        return self.heard or None

    def _withhold(self, piece: Mapping[str, Any], spans: Sequence[WithheldSpan]) -> None:
        at, size, count = piece["at"], piece["size"], piece["frames"]
        next_heard = 0
        for number, span in enumerate(spans):
            first = min(count, max(0, -((at - span.first) // size)))
            last = min(count, max(0, -((at - span.last) // size)))
            if last <= first:
                continue
            self.frames[number] += last - first
            self._silence(at + first * size, at + last * size)
            if first > next_heard:
                self.heard = at + first * size
            next_heard = last
        if next_heard < count:
            self.heard = at + count * size

    def _silence(self, first: int, last: int) -> None:
        if self.silenced and self.silenced[-1][1] == first:
            first = self.silenced.pop()[0]
        self.silenced.append((first, last))

    def _excuse(self, piece: Mapping[str, Any], span: WithheldSpan) -> None:
        begin, end = piece["at"], piece["at"] + piece["samples"]
        inside = min(end, span.last) - max(begin, span.first)
        if inside > 0:
            self.excused[piece["reason"]] += round(piece["frames"] * inside / piece["samples"])


def _counted(known: RecorderTrack, track: _Track, end: int | None) -> RecorderTrack:
    lost_for = {reason: count - track.excused[reason] for reason, count in known.lost_for.items()}
    return replace(
        known,
        end=end,
        received=known.received - sum(track.frames),
        lost=sum(lost_for.values()),
        lost_for=lost_for,
    )


def _below(ranges: Iterable[Range], samples: int) -> Iterator[Range]:
    for first, last in ranges:
        if first < samples:
            yield first, min(last, samples)


def _union(tracks: Iterable[Iterable[Range]]) -> Iterator[Range]:
    """Yield the samples that are silenced on any track, merged."""
    current: Range | None = None
    for first, last in sorted(each for track in tracks for each in track):
        if current is not None and first <= current[1]:
            current = (current[0], max(current[1], last))
            continue
        if current is not None:
            yield current
        current = (first, last)
    if current is not None:
        yield current
