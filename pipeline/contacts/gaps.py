"""Compare the required time with the audio: find the gaps, and how much was captured. Pure.

A recording covers the time from its start for as long as its audio lasts, both by the gateway's
clock, and the silence after it in which Twilio sent nothing. An open recording covers the time up
to now.
"""

from collections.abc import Iterable, Sequence

from pipeline.contacts.spans import Span, common, normalized, total, without
from schemas.records import ContactGap, ContactRecording
from schemas.states import RecordingSource

EDGE_MS = 1_000
"""A shorter time (ms) at the beginning or the end of a required span is not a gap."""
SHORTEST_MS = 20
"""One frame (ms): a shorter time between two recordings is not a gap."""
LOST_FRAME_MS = 10
"""How much a lost frame reduces the captured time (ms): half its length, because frames of both
tracks are counted together."""
NOT_SENT = "not-sent"
"""The reason of frames that Twilio did not send: their time counts as captured."""


def gaps(
    required: Sequence[Span], recordings: Iterable[ContactRecording], now: int
) -> tuple[ContactGap, ...]:
    """Return the required time without audio, by time, without reasons. `required` must be
    normalized."""
    heard = [recording for recording in recordings if _is_audible(recording)]
    covered = normalized(_span(recording, now) for recording in heard)
    return tuple(
        _gap(hole, heard, now)
        for span in required
        for hole in without(span, covered)
        if hole[1] - hole[0] >= _least(hole, span)
    )


def captured_ms(required: Sequence[Span], recordings: Iterable[ContactRecording], now: int) -> int:
    """Return how much of the required time is in the audio (ms).

    Frames that were lost inside the audio count as not captured, unless Twilio did not send them or
    supplements and recordings fetched from Twilio cover that much of the recording. Withheld time
    counts as not captured as far as it is longer than the part of the recording that was not
    required.
    """
    known = list(recordings)
    covered = normalized(_span(recording, now) for recording in known)
    found = total(common(required, covered))
    supplements: dict[str, list[Span]] = {}
    recovered = [_span(r, now) for r in known if r.source == RecordingSource.TWILIO_RECORDING]
    for recording in known:
        if recording.supplement_of:
            supplements.setdefault(recording.supplement_of, []).append(_span(recording, now))
    for recording in known:
        span = _span(recording, now)
        overlap = total(common((span,), required)) if span[0] < span[1] else 0
        beside = [*supplements.get(recording.inum, []), *recovered]
        silent = _lost_ms(recording, span, beside)
        silent += max(0, recording.withheld_ms - (span[1] - span[0] - overlap))
        found -= min(silent, overlap)
    return max(0, found)


def _is_audible(recording: ContactRecording) -> bool:
    """Return whether the recording has audio, as far as known."""
    return recording.duration_ms is None or recording.duration_ms > 0


def _span(recording: ContactRecording, now: int) -> Span:
    if recording.duration_ms is None:
        return recording.started_at, max(now, recording.started_at)
    audio_end = recording.started_at + recording.duration_ms
    return recording.started_at, audio_end + recording.silent_ms


def _least(hole: Span, span: Span) -> int:
    """Return the shortest length (ms) at which the hole counts as a gap."""
    return EDGE_MS if hole[0] == span[0] or hole[1] == span[1] else SHORTEST_MS


def _gap(hole: Span, heard: Iterable[ContactRecording], now: int) -> ContactGap:
    spans = [(*_span(recording, now), recording.inum) for recording in heard]
    ended = ((end, start, inum) for start, end, inum in spans if end <= hole[0])
    begun = ((start, end, inum) for start, end, inum in spans if start >= hole[1])
    return ContactGap(
        started_at=hole[0],
        ended_at=hole[1],
        after=max(ended, default=(0, 0, ""))[2],
        before=min(begun, default=(0, 0, ""))[2],
    )


def _lost_ms(recording: ContactRecording, span: Span, others: Iterable[Span]) -> int:
    """Return how much of the audio is silence for lost frames and not covered by the others."""
    lost = recording.lost - recording.lost_for.get(NOT_SENT, 0) - recording.lost_at_end
    recovered = total(common((span,), normalized(others)))
    return max(0, lost * LOST_FRAME_MS - recovered)
