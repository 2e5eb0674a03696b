"""The sum of the results of several media streams."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.coded.judgement import Judgement, total
from tests.examples import examples

COUNTS = st.integers(0, 1000)
REASONS = st.builds(
    Counter, st.dictionaries(st.sampled_from(["not-received", "not-sent"]), st.integers(1, 99))
)
JUDGEMENTS = st.builds(
    Judgement,
    sent=COUNTS, recorded=COUNTS, lost=REASONS, withheld=COUNTS, unread=COUNTS, in_gap=COUNTS,
    in_burst=COUNTS,
    silent=REASONS, unaccounted=COUNTS, strange=REASONS, lost_at_end=COUNTS,
    wrong=st.lists(st.text(max_size=3), max_size=2),
)  # fmt: skip


@given(JUDGEMENTS)
def test_one_is_its_own_sum(judgement: Judgement) -> None:
    """No field is left out, and no field gets the value of another."""
    assert judgement == total([judgement])


@given(JUDGEMENTS, JUDGEMENTS)
@settings(max_examples=examples(30))
def test_two_are_added_up(one: Judgement, other: Judgement) -> None:
    """Counts and differences are added up in any order; of the frames after the last recorded one,
    the sum has the largest number."""
    sums = total([one, other])
    assert replace(sums, wrong=other.wrong + one.wrong) == total([other, one])
    assert sums.sent + sums.recorded == one.sent + one.recorded + other.sent + other.recorded
    assert sums.lost == one.lost + other.lost
    assert max(one.lost_at_end, other.lost_at_end) == sums.lost_at_end
    assert one.wrong + other.wrong == sums.wrong


def test_the_sum_has_its_own_counters() -> None:
    """The summed results are not changed."""
    one = Judgement(lost=Counter(late=1), wrong=["a"])
    sums = total([one, Judgement(lost=Counter(late=2), wrong=["b"])])
    assert (Counter(late=3), ["a", "b"]) == (sums.lost, sums.wrong)
    assert (Counter(late=1), ["a"]) == (one.lost, one.wrong)
    assert Judgement() == total([])
