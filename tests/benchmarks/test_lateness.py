"""How late stops are while a process of a role changes."""

from benchmarks.lateness import Span, Stop, by_change, markdown

CALM, DIES = "(nothing changes)", "is killed"


def test_a_stop_counts_to_the_time_in_which_it_was_due() -> None:
    """Not to that in which it was carried out: a late stop is the change's, not the baseline's."""
    spans = [Span(DIES, 1_000, 2_000), Span(CALM, 2_000, 3_000)]
    found = by_change(spans, [Stop(1_900, 9_900), Stop(2_500, 2_510)])
    assert [8_000] == found[DIES].waits
    assert [10] == found[CALM].waits


def test_stops_between_the_spans_do_not_count() -> None:
    """While processes are put in order again, neither is measured."""
    found = by_change([Span(CALM, 0, 100), Span(DIES, 200, 300)], [Stop(150, 160), Stop(300, 301)])
    assert [] == found[CALM].waits
    assert [] == found[DIES].waits


def test_spans_of_one_change_are_taken_together() -> None:
    """A change is made several times, as each gives few stops."""
    spans = [Span(DIES, 0, 100), Span(CALM, 100, 200), Span(DIES, 200, 300)]
    found = by_change(spans, [Stop(10, 20), Stop(210, 230)])[DIES]
    assert 2 == found.times
    assert [10, 20] == found.waits


def test_a_stop_that_was_never_requested_is_counted_apart() -> None:
    """It has no lateness, and must not vanish."""
    found = by_change([Span(DIES, 0, 100)], [Stop(10, None), Stop(20, 1_021), Stop(30, 40)])[DIES]
    assert 1 == found.never
    assert 1 == found.late
    assert 1_001 == found.latest


def test_a_change_without_stops_has_a_row() -> None:
    """The run was too short: the table shows it."""
    table = markdown(by_change([Span(DIES, 0, 100)], []).values())
    assert "| is killed | 1 | 0 | nan ms |" in table
