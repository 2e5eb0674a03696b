"""The judge finds each kind of mistake: a run that it accepts was correct."""

import pytest

from tests.system.chaos_bridge.judging import Put, Seen, problems, unfinished

PARENTS = {"s0": (), "s1": (), "s2": ("s0",), "s3": ("s2", "s1")}

PUT = [
    Put(0, "a", "s0", "9"),
    Put(1, "a", "s0", "10"),
    Put(2, "a", "s2", "11"),
    Put(3, "b", "s1", "12"),
    Put(4, "b", "s3", "13"),
    Put(5, "b", "s3", "13"),
    Put(0, "", "s1", "14", rubbish=True),
]
SEEN = [
    Seen(each.number, 7, offset, each.key, each.shard_id, each.sequence_number, each.rubbish)
    for offset, each in enumerate(PUT)
]


def at(number: int, offset: int) -> Seen:
    """The event as it was seen, but elsewhere in the partition."""
    found = SEEN[number]
    return Seen(number, 7, offset, found.key, found.shard_id, found.sequence_number)


def test_nothing_is_wrong() -> None:
    """Everything once, from its place, each shard after its parents."""
    assert [] == problems(PUT, SEEN, PARENTS)


@pytest.mark.parametrize(
    ("seen", "wrong"),
    [
        (SEEN[1:], "event 0 never came"),
        (SEEN[:-1], "record of rubbish 0 never came"),
        ([*SEEN, at(5, 99)], "event 5 came more than once"),
        ([*SEEN, Seen(6, 7, 99, "b", "s3", "15")], "event 6 came, and was never put"),
        ([*SEEN[:5], Seen(5, 7, 5, "b", "s3", "14"), SEEN[6]], "5: not from the place"),
        ([at(0, 1), at(1, 0), *SEEN[2:]], "0 came after a later one of s0"),
        ([*SEEN[:4], at(4, 5), at(5, 4), SEEN[6]], "4 came after a later one of s3"),
        ([SEEN[0], at(1, 6), *SEEN[2:]], "1 of s0 came after one of its children"),
        ([*SEEN[:3], at(3, 6), *SEEN[4:]], "3 of s1 came after one of its children"),
    ],
)
def test_mistakes_are_found(seen: list[Seen], wrong: str) -> None:
    """Missing, repeated, made up, misplaced, out of order."""
    assert any(wrong in each for each in problems(PUT, seen, PARENTS))


def test_a_closed_shard_is_finished() -> None:
    """A closed shard without a finished checkpoint is reported."""
    assert ["s1 is closed and not finished"] == unfinished(["s0", "s1"], ["s0", "s2"])
