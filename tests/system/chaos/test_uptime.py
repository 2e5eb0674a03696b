"""When the pipeline could know something, from the lives of its processes."""

from hypothesis import given
from hypothesis import strategies as st

from tests.system.chaos.uptime import Life, Span, down, joined, moment, overlap, without

SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda t: Span(t[0], t[0] + t[1])),
    max_size=6,
)


def covered(spans: list[Span]) -> set[int]:
    """Every millisecond in them."""
    return {at for span in spans for at in range(span.begin, span.end)}


def test_a_killed_process_counts_again_three_seconds_after_its_next_start() -> None:
    """From its end to its next start, and three seconds more; what never came back stays away."""
    lives = {
        "tracker-0": [Life(1, 0, 10_000), Life(2, 10_500, None)],
        "bridge-0": [Life(3, 0, 20_000)],
    }
    assert [Span(10_000, 13_500), Span(20_000, 30_000)] == down(lives, 30_000)


def test_a_kill_in_between_begins_the_waiting_anew() -> None:
    """The two seconds must pass without anything in between."""
    blocked = [Span(1_500, 5_000), Span(6_900, 9_000)]
    assert 9_000 == moment(0, blocked, 2_000)
    assert 0 == moment(0, blocked, 1_500)
    assert 5_000 == moment(2_000, blocked, 1_900)


@given(SPANS, st.integers(0, 80), st.integers(1, 10))
def test_a_moment_is_the_first_with_room_behind_it(
    spans: list[Span], known_at: int, window: int
) -> None:
    """Nothing blocks the window from there on, and no earlier one is free."""
    busy = covered(spans)
    free = (at for at in range(known_at, 200) if not busy & set(range(at, at + window)))
    assert next(free) == moment(known_at, [s for s in spans if s.begin < s.end], window)


@given(SPANS, SPANS)
def test_spans_are_sets_of_time(first: list[Span], second: list[Span]) -> None:
    """Joined, in both, and in one without the other: as for sets of milliseconds."""
    assert covered(first) == covered(joined(first))
    assert covered(first) & covered(second) == covered(overlap(joined(first), joined(second)))
    assert covered(first) - covered(second) == covered(without(first, second))
