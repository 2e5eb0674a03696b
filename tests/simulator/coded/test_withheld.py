"""When audio must not be heard, by a contact's decisions."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.coded.withheld import (
    CLOCK_MS,
    DELAY_MS,
    WithheldPeriod,
    heard_too_late,
    periods,
    withheld_too_early,
)
from simulator.events import iso

WORDS = st.sampled_from(["record", "stop", "do-not-record"])
DECISIONS = st.lists(st.tuples(st.integers(0, 20).map(lambda s: s * 1_000), WORDS), max_size=8,
                     unique_by=lambda decided: decided[0])  # fmt: skip


def decisions(*decided: tuple[int, str]) -> list[dict[str, str]]:
    """Decisions as the console shows them."""
    return [{"at": iso(at), "decision": word} for at, word in decided]


def test_two_seconds_after_a_stop_nothing_may_be_heard() -> None:
    """Until the next `record`, or for good; a stop that is taken back within 2 s withholds
    nothing."""
    assert periods(decisions((1_000, "record"), (5_000, "stop"))) == [WithheldPeriod(7_000, None)]
    again = decisions((5_000, "stop"), (9_000, "record"), (20_000, "do-not-record"))
    assert periods(again) == [WithheldPeriod(7_000, 9_000), WithheldPeriod(22_000, None)]
    assert periods(decisions((5_000, "stop"), (6_000, "record"))) == []
    assert periods([]) == []


@given(DECISIONS)
def test_periods_are_those_of_each_moment(decided: list[tuple[int, str]]) -> None:
    """A moment is in a period if a stop is 2 s old and no `record` came after it."""
    found = periods(decisions(*decided))
    for at in range(500, 30_000, 1_000):
        word, since = "record", 0
        for when, decision in sorted(decided):
            if when <= at and (decision == "record" or word == "record"):
                word, since = decision, when
        inside = any(p.begin <= at and (p.end is None or at < p.end) for p in found)
        assert inside == (word != "record" and at >= since + 2_000)


def test_frames_on_the_wrong_side_are_found() -> None:
    """Mistakes are found as far as the times of receipt are known."""
    found = [WithheldPeriod(7_000, None)]
    assert heard_too_late([6_900, 7_000 + CLOCK_MS - 1], found) == []
    assert len(heard_too_late([7_000 + CLOCK_MS], found)) == 1
    assert withheld_too_early([7_000 - DELAY_MS, 9_000], found) == []
    assert len(withheld_too_early([7_000 - DELAY_MS - 1], found)) == 1
    assert len(withheld_too_early([9_000], [])) == 1
