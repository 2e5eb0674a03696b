"""Dead letters: their marks and their order."""

from hypothesis import given
from hypothesis import strategies as st

from cli.dead_letters.letter import Letter, LetterFilter, is_of
from schemas.records import DeadLetterRetried
from tests.cli.dead_letters.letters import EVENT, letter


def test_a_mark_is_of_the_letter_that_lay_there_then() -> None:
    """A recreated topic has other letters at the same offsets."""
    found = letter(EVENT)
    assert is_of(DeadLetterRetried(3, 14, 900, 5_000, "put-back", 1), found)
    assert not is_of(DeadLetterRetried(3, 14, 901, 5_000, "put-back", 1), found)


@given(st.lists(st.integers(0, 50)), st.integers(0, 50))
def test_those_asked_for_are_in_order_of_time(times: list[int], since: int) -> None:
    """Oldest first, none before `since`."""
    letters = [Letter((0, n), at, {}, letter(EVENT).record) for n, at in enumerate(times)]
    found = LetterFilter(since=since).of(letters)
    assert sorted(at for at in times if at >= since) == [each.at for each in found]
    assert () == LetterFilter(reason="other").of(letters)
    assert () == LetterFilter(task_sid="WT1").of(letters)
    assert {0} >= {each.id[1] for each in LetterFilter(ids=[(0, 0)]).of(letters)}
