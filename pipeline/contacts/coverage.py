"""Gaps that are covered by recordings fetched from Twilio. Pure.

A recording that was made in real time never changes, and neither do the gaps beside it. A recovered
recording covers a gap or a part of it; in the second case the gap is divided.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from pipeline.contacts.gaps import EDGE_MS
from pipeline.contacts.spans import Span, common
from schemas.records import ContactGap, ContactRecording

_Piece = tuple[int, int, str]
"""Start and end (ms), and the INUM of the recording that covers the piece, or empty."""


def cover(
    gaps: Iterable[ContactGap], recovered: Iterable[ContactRecording]
) -> tuple[ContactGap, ...]:
    """Return the gaps, by time, with `covered_by`. A gap that is covered in part is divided.

    A remainder of less than `EDGE_MS` is added to the piece beside it, because Twilio states the
    start of a recording to the second.
    """
    spans = sorted((*_span(r), r.inum) for r in recovered if r.duration_ms)
    return tuple(piece for gap in gaps for piece in _divided(gap, spans))


def _span(recording: ContactRecording) -> Span:
    return recording.started_at, recording.started_at + (recording.duration_ms or 0)


def _divided(gap: ContactGap, spans: Sequence[tuple[int, int, str]]) -> Iterator[ContactGap]:
    for start, end, inum in _joined(list(_pieces((gap.started_at, gap.ended_at), spans))):
        yield replace(gap, started_at=start, ended_at=end, covered_by=inum)


def _pieces(gap: Span, spans: Sequence[tuple[int, int, str]]) -> Iterator[_Piece]:
    at, end = gap
    for since, until, inum in spans:
        for first, last in common(((at, end),), ((since, until),)):
            if at < first:
                yield at, first, ""
            yield first, last, inum
            at = last
    if at < end:
        yield at, end, ""


def _joined(pieces: Sequence[_Piece]) -> list[_Piece]:
    """Return the pieces, with each short uncovered one as a part of its covered neighbour."""
    found: list[_Piece] = []
    begins_at: int | None = None
    for start, end, inum in pieces:
        is_short = not inum and end - start < EDGE_MS and len(pieces) > 1
        if is_short and found:
            found[-1] = (found[-1][0], end, found[-1][2])
        elif is_short:
            begins_at = start
        else:
            found.append((start if begins_at is None else begins_at, end, inum))
            begins_at = None
    return found
