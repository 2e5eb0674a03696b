"""Dead letters: their marks and their order."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cli.dead_letters.letter import Letter, LetterFilter, is_of
from pipeline.kinesis.messages import CONNECTOR
from schemas.records import DeadLetter, DeadLetterRetried

EVENT = b'{"id":"EV1","type":"com.example.new","source":"s"}'


def letter(
    original: bytes, role: str = CONNECTOR, headers: dict[str, bytes] | None = None, **fields: Any
) -> Letter:
    """A dead letter; the bridge's unless said otherwise."""
    own = {"origin": "flex-events", "part": "shardId-3", "position": "17"} | fields
    record = DeadLetter(
        reason="not-json", detail="why", role=role, at=900, key=b"WT1", original=original, **own
    )
    return Letter((3, 14), 1_000, headers or {}, record)


def test_a_mark_is_of_the_letter_that_lay_there_then() -> None:
    """A topic that was made anew has other letters at the same offsets."""
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
