"""Only required time is kept of a recording; the rest is cut away or becomes silence."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contacts.spans import normalized
from pipeline.recovery.cutting import cut
from tests.pipeline.recovery.contacts_made import AT

TIMES = st.integers(-5, 100).map(lambda s: s * 1000) | st.integers(-1_000, 61_000)
SPANS = st.lists(st.tuples(TIMES, TIMES), max_size=4).map(
    lambda spans: normalized((AT + a, AT + b) for a, b in spans)
)


@given(SPANS, st.integers(1, 60 * 8_000), st.sampled_from([0, 500]))
def test_exactly_the_required_time_can_be_heard(
    required: tuple[tuple[int, int], ...], samples: int, uncertain: int
) -> None:
    """Each sample is kept if its time is required; near an edge that may be up to `uncertain` off,
    less is kept and never more."""
    kept = cut(AT, samples, required, uncertain)
    audible = [False] * samples
    if kept is not None:
        assert 0 <= kept.first < kept.last <= samples
        audible[kept.first : kept.last] = [True] * kept.samples
        for first, last in kept.silenced:
            assert kept.first < first < last < kept.last
            audible[first:last] = [False] * (last - first)
        assert audible[kept.first]
        assert audible[kept.last - 1]
    for at in range(0, samples, 37):
        time = AT + at // 8
        is_required = any(start + uncertain <= time < end - uncertain for start, end in required)
        assert not audible[at] or is_required
        is_safe = any(start + uncertain <= time < end - uncertain - 20 for start, end in required)
        long_enough = kept is not None and samples > 8 * (2 * uncertain + 20)
        assert audible[at] or not (is_safe and long_enough)


def test_an_uncertain_start_costs_half_a_second_at_each_edge_inside() -> None:
    """At the recording's own beginning and end nothing is cut."""
    inside = cut(AT, 60 * 8_000, ((AT + 10_000, AT + 20_000),), 500)
    assert inside is not None
    assert (10_500 * 8, 19_500 * 8) == (inside.first, inside.last)
    whole = cut(AT, 60 * 8_000 + 3, ((AT - 1_000, AT + 90_000),), 500)
    assert whole is not None
    assert (0, 60 * 8_000 + 3, ()) == (whole.first, whole.last, whole.silenced)


def test_a_short_span_keeps_the_time_between_its_edges() -> None:
    """Of 1.2 s, 0.2 s are certain; of 1 s, nothing is."""
    kept = cut(AT, 60 * 8_000, ((AT + 10_000, AT + 11_200),), 500)
    assert kept is not None
    assert (10_500 * 8, 10_700 * 8, 200 * 8) == (kept.first, kept.last, kept.samples)
    assert cut(AT, 60 * 8_000, ((AT + 10_000, AT + 11_000),), 500) is None


def test_an_edge_just_outside_the_recording_may_be_inside() -> None:
    """The recording may have begun 0.5 s earlier than is known, before the required time."""
    near = cut(AT, 60 * 8_000, ((AT - 100, AT + 60_200),), 500)
    assert near is not None
    assert (400 * 8, 59_700 * 8) == (near.first, near.last)


def test_a_last_piece_that_is_too_short_keeps_nothing_before_it() -> None:
    """The recording ends 10 ms after required time began again."""
    kept = cut(AT, 60 * 8_000, ((AT, AT + 10_000), (AT + 59_990, AT + 90_000)), 0)
    assert kept is not None
    assert (0, 10_000 * 8, ()) == (kept.first, kept.last, kept.silenced)


def test_time_without_an_agent_becomes_silence() -> None:
    """Between two required spans, so that the audio keeps its time line."""
    kept = cut(AT, 60 * 8_000, ((AT, AT + 10_000), (AT + 30_000, AT + 60_000)), 0)
    assert kept is not None
    assert ((10_000 * 8, 30_000 * 8),) == kept.silenced
    assert 20_000 == kept.silenced_ms
    assert cut(AT, 8_000, ((AT + 5_000, AT + 9_000),), 0) is None
