"""Shards are read parents first, whatever has been split, merged and expired."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.kinesis.lineage import Shard, forgettable, is_after, plan

HOUR = 3_600_000
DAY = 24 * HOUR


@st.composite
def histories(draw: st.DrawFn) -> list[Shard]:
    """Generate all shards that a stream ever had, with any splits and merges of the open ones."""
    opened = [f"shard-{n}" for n in range(draw(st.integers(1, 4)))]
    shards = {shard_id: Shard(shard_id) for shard_id in opened}
    for _ in range(draw(st.integers(0, 12))):
        merge = len(opened) > 1 and draw(st.booleans())
        parents = tuple(
            opened.pop(draw(st.integers(0, len(opened) - 1))) for _ in range(2 if merge else 1)
        )
        for parent in parents:
            shards[parent] = Shard(parent, shards[parent].parents, closed=True)
        for _ in range(1 if merge else 2):
            child = f"shard-{len(shards)}"
            shards[child] = Shard(child, parents)
            opened.append(child)
    return list(shards.values())


@given(histories(), st.data())
def test_parents_are_finished_before_children_start(
    shards: list[Shard], data: st.DataObject
) -> None:
    """In any order of finishing, no shard is readable before its parents are finished, and at least
    one can always be read."""
    parents = {shard.shard_id: set(shard.parents) for shard in shards}
    finished: set[str] = set()
    while len(finished) < len(shards):
        now = plan(data.draw(st.permutations(shards)), finished)
        assert parents.keys() == now.readable | now.waiting | now.done
        assert finished == now.done
        assert now.readable
        for shard_id in now.readable:
            assert parents[shard_id] <= finished
        finished.add(data.draw(st.sampled_from(sorted(now.readable))))


@given(histories(), st.data())
def test_parents_that_expired_hold_nothing_up(shards: list[Shard], data: st.DataObject) -> None:
    """A parent that is not listed any more counts as finished; one that is listed does not."""
    listed = data.draw(st.lists(st.sampled_from(shards), unique=True))
    finished = data.draw(st.sets(st.sampled_from([shard.shard_id for shard in shards])))
    ids = {shard.shard_id for shard in listed}
    now = plan(listed, finished)
    expected = {
        shard.shard_id
        for shard in listed
        if shard.shard_id not in finished and not (set(shard.parents) & ids) - finished
    }
    assert expected == now.readable


def test_a_merge_waits_for_both_parents() -> None:
    """One finished parent of two is not enough."""
    shards = [Shard("a", closed=True), Shard("b", closed=True), Shard("c", ("a", "b"))]
    assert {"b"} == plan(shards, {"a"}).readable
    assert {"c"} == plan(shards, {"a", "b"}).readable


@given(st.integers(0, 10**56), st.integers(0, 10**56))
def test_sequence_numbers_compare_as_integers(a: int, b: int) -> None:
    """Not as text, which puts 10 before 9; and everything lies after no position."""
    assert (a > b) is is_after(str(a), str(b))
    assert is_after(str(a), None)


def test_checkpoints_are_forgotten_late() -> None:
    """A checkpoint is forgotten only once it is a day old and its shard has been missing from the
    list for an hour."""
    start = 100 * DAY
    checkpoints = {"listed": 0, "gone": 0, "young": start + HOUR - DAY + 1}
    due, absent = forgettable(checkpoints, {"listed"}, {}, start)
    assert (frozenset(), {"gone": start, "young": start}) == (due, absent)
    due, absent = forgettable(checkpoints, {"listed"}, absent, start + HOUR - 1)
    assert (frozenset(), {"gone": start, "young": start}) == (due, absent)
    due, absent = forgettable(checkpoints, {"listed"}, absent, start + HOUR)
    assert ({"gone"}, {"young": start}) == (due, absent)
    due, absent = forgettable(checkpoints, {"listed", "gone"}, absent, start + HOUR + 1)
    assert ({"young"}, {}) == (due, absent)


def test_a_shard_that_comes_back_counts_anew() -> None:
    """Missing once, listed again, missing again: the time counts from the second time."""
    checkpoints = {"shard": 0}
    now = DAY
    _, absent = forgettable(checkpoints, set(), {}, now)
    _, absent = forgettable(checkpoints, {"shard"}, absent, now + 1)
    assert {} == absent
    due, _ = forgettable(checkpoints, set(), absent, now + HOUR)
    assert frozenset() == due


def test_a_shard_is_open_and_without_parents_unless_stated_otherwise() -> None:
    """As the shards of a stream that was never split or merged."""
    assert Shard("shard-0", parents=(), closed=False) == Shard("shard-0")
