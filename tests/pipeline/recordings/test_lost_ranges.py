"""A hole in a track, divided by the reasons for which its frames are missing."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.recordings.lost_ranges import LostRange, beyond, holes, stretches, with_stretches
from schemas.records import DroppedStretch, Run

MOST_STRETCHES = 1_000
MS = 8
"""Samples."""
OTHERWISE = "not-received"
REASONS = st.sampled_from(["spill-full", "old"])
PLACES = st.lists(st.tuples(st.integers(0, 3_000), st.integers(1, 600), REASONS), max_size=6)


def dropped(places: list[tuple[int, int, str]]) -> tuple[DroppedStretch, ...]:
    """Return these places as ascending stretches that do not overlap."""
    found, at = [], 0
    for gap, size, reason in places:
        found.append(DroppedStretch(at + gap, at + gap + size, reason))
        at += gap + size
    return tuple(found)


@given(st.integers(0, 2_000), st.integers(0, 9_000), PLACES)
def test_the_parts_make_up_the_hole(
    begin: int, size: int, places: list[tuple[int, int, str]]
) -> None:
    """Its samples, and the contract's number of lost frames, whatever was reported: one frame for
    each 20 ms, at least one; none for less than 10 ms."""
    found = holes(begin, begin + size, dropped(places), OTHERWISE)
    if size < 80:
        assert () == found
        return
    assert size == sum(part.samples for part in found)
    assert max(1, round(size / 160)) == sum(part.lost for part in found)
    assert all(part.samples > 0 and part.lost >= 0 for part in found)
    assert all(a.reason != b.reason for a, b in itertools.pairwise(found))


@given(st.integers(0, 2_000), st.integers(80, 9_000), PLACES)
def test_each_sample_has_its_own_reason_but_for_jitter(
    begin: int, size: int, places: list[tuple[int, int, str]]
) -> None:
    """A sample more than 10 ms away from any edge of a stretch has the reason of that stretch, or
    the other reason outside all of them."""
    known, end = dropped(places), begin + size
    at, reasons = begin, {}
    for part in holes(begin, end, known, OTHERWISE):
        reasons |= dict.fromkeys(range(at, at + part.samples), part.reason)
        at += part.samples
    edges = {begin, end, *(e for s in known for e in (s.first, s.end))}
    for sample in range(begin, end, 7):
        if all(abs(sample - edge) >= 160 for edge in edges):
            of = [s.reason for s in known if s.first <= sample < s.end]
            assert (of[0] if of else OTHERWISE) == reasons[sample]


@pytest.mark.parametrize(
    ("stretch", "expected"),
    [
        ((0, 1_600), [(1_600, 10, "old")]),
        ((-800, 9_000), [(1_600, 10, "old")]),
        ((160, 320), [(160, 1, OTHERWISE), (160, 1, "old"), (1_280, 8, OTHERWISE)]),
        ((79, 800), [(800, 5, "old"), (800, 5, OTHERWISE)]),
        ((80, 800), [(80, 0, OTHERWISE), (720, 5, "old"), (800, 5, OTHERWISE)]),
        ((800, 1_521), [(800, 5, OTHERWISE), (800, 5, "old")]),
        ((800, 1_520), [(800, 5, OTHERWISE), (720, 5, "old"), (80, 0, OTHERWISE)]),
        ((800, 879), [(1_600, 10, OTHERWISE)]),
        ((800, 880), [(800, 5, OTHERWISE), (80, 1, "old"), (720, 4, OTHERWISE)]),
        ((1_600, 3_200), [(1_600, 10, OTHERWISE)]),
    ],
)  # fmt: skip
def test_a_stretch_in_a_hole_of_200_ms(
    stretch: tuple[int, int], expected: list[tuple[int, int, str]]
) -> None:
    """A part of less than 10 ms belongs to its neighbour; edges at 10 ms count."""
    known = [DroppedStretch(*stretch, "old")]
    assert [LostRange(*each) for each in expected] == list(holes(0, 1_600, known, OTHERWISE))


def test_neighbours_with_one_reason_are_one_part() -> None:
    """Two stretches that touch."""
    known = [DroppedStretch(0, 800, "old"), DroppedStretch(800, 1_600, "old")]
    assert (LostRange(1_600, 10, "old"),) == holes(0, 1_600, known, OTHERWISE)


def test_runs_lie_at_their_timestamps() -> None:
    """From the first frame's first sample to behind the last frame's last one."""
    runs = [Run(100, 3, 20, 160), Run(500, 1, 20, 80)]
    assert [
        DroppedStretch(100 * MS, 140 * MS + 160, "old"),
        DroppedStretch(500 * MS, 500 * MS + 80, "old"),
    ] == list(stretches(runs, "old"))


@given(PLACES, PLACES)
def test_stretches_that_touch_become_one(
    one: list[tuple[int, int, str]], two: list[tuple[int, int, str]]
) -> None:
    """Nothing that was dropped is left out; of one reason none lie within 10 ms of each other in
    direct succession."""
    found = with_stretches(dropped(one), dropped(two))
    for each in (*dropped(one), *dropped(two)):
        assert any(f.first <= each.first and each.end <= f.end for f in found)
    assert list(found) == sorted(found, key=lambda s: (s.first, s.end))
    for a, b in itertools.pairwise(found):
        assert a.reason != b.reason or b.first - a.end >= 80


@pytest.mark.parametrize(("gap", "count"), [(79, 1), (80, 2)])
def test_stretches_of_one_reason_join_over_jitter(gap: int, count: int) -> None:
    """Less than 10 ms."""
    first = DroppedStretch(0, 160, "old")
    second = DroppedStretch(160 + gap, 400 + gap, "old")
    found = with_stretches([first], [second])
    assert (count, 400 + gap) == (len(found), found[-1].end)


def test_stretches_stay_few() -> None:
    """A thousand; later ones prolong the last."""
    known: tuple[DroppedStretch, ...] = ()
    for n in range(MOST_STRETCHES + 5):
        known = with_stretches(known, [DroppedStretch(1_000 * n, 1_000 * n + 160, "old")])
    assert 1_000 == len(known)
    assert 1_000 * (MOST_STRETCHES + 4) + 160 == known[-1].end


def test_a_stretch_that_is_accounted_for_is_dropped() -> None:
    """It ends less than 10 ms behind the end."""
    known = [DroppedStretch(0, 79, "a"), DroppedStretch(0, 80, "b"), DroppedStretch(90, 99, "c")]
    assert ["b", "c"] == [each.reason for each in beyond(known, 0)]
    assert [] == list(beyond(known, 20))
