"""Recovered recordings cover gaps; the gaps stay."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contacts.coverage import cover
from pipeline.contacts.spans import common, normalized, total
from schemas.records import ContactGap
from tests.pipeline.recovery.contacts_made import AT, recording_at

EDGE_MS = 1_000
SOURCE = "twilio-recording"


def gap(start: int, end: int, covered_by: str = "") -> ContactGap:
    """Return a gap that counts from `AT`."""
    return ContactGap(AT + start, AT + end, "1", "2", "gateway-died", covered_by)


def test_a_covered_gap_names_the_recording() -> None:
    """Its reason and its neighbours stay."""
    recording = recording_at(0, 90_000, SOURCE)
    assert (gap(20_000, 60_000, recording.inum),) == cover([gap(20_000, 60_000)], [recording])


def test_a_gap_that_is_covered_in_part_is_divided() -> None:
    """The rest is not covered; less than a second of rest does not count."""
    recording = recording_at(20_600, 30_000, SOURCE)
    expected = (gap(20_000, 50_600, recording.inum), gap(50_600, 60_000))
    assert expected == cover([gap(20_000, 60_000)], [recording])


def test_without_recordings_gaps_stay_as_they_are() -> None:
    """A recording elsewhere, or without audio, covers nothing."""
    found = [gap(20_000, 60_000), gap(70_000, 70_500)]
    assert tuple(found) == cover(found, [])
    elsewhere = [recording_at(60_000, 5_000, SOURCE), recording_at(20_000, 0, SOURCE)]
    assert tuple(found) == cover(found, elsewhere)


SPANS = st.lists(st.tuples(st.integers(0, 60_000), st.integers(1, 30_000)), max_size=5)


@given(SPANS)
def test_pieces_make_up_the_gap(spans: list[tuple[int, int]]) -> None:
    """Whatever recordings there are, in any order: pieces follow one another without a hole; what
    a piece claims is covered but for less than a second at each end; what no recording covers, and
    is not that short, is uncovered."""
    whole = gap(10_000, 50_000)
    recordings = [recording_at(start, length, SOURCE) for start, length in spans]
    pieces = cover([whole], recordings)
    assert pieces == cover([whole], recordings[::-1])
    assert (whole.started_at, whole.ended_at) == (pieces[0].started_at, pieces[-1].ended_at)
    assert all(a.ended_at == b.started_at for a, b in pairwise(pieces))
    heard = normalized((AT + start, AT + start + length) for start, length in spans)
    for piece in pieces:
        span = (piece.started_at, piece.ended_at)
        uncovered = span[1] - span[0] - total(common((span,), heard))
        if piece.covered_by:
            assert uncovered < 2 * EDGE_MS
        else:
            assert uncovered == span[1] - span[0]
