"""Landers that are killed, paused and refused agree on files that have each record once."""

import io
from collections.abc import Iterable
from typing import cast

import pyarrow.parquet as pq
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from pipeline.lake.agreement import Agreed, ClaimedForAnotherDay, FileVanished, agree
from pipeline.lake.layout import day_from, start_of
from pipeline.lake.parquet import footer
from pipeline.lake.partition import NextFile
from tests.pipeline.lake.landers import REF, Record, World, run_alone

LANDERS = st.integers(0, 2)
DAYS = st.sampled_from((0, 0, 0, 1, 1, 2))
ACTIONS = st.one_of(
    st.tuples(st.just("append"), DAYS, st.integers(0, 2)),
    st.tuples(st.just("steps"), LANDERS, st.integers(1, 9)),
    st.tuples(st.just("steps"), LANDERS, st.integers(5, 30)),
    st.tuples(st.just("fail"), LANDERS, st.just(0)),
    st.tuples(st.just("kill"), LANDERS, st.just(0)),
    st.tuples(st.just("expire"), st.integers(1, 3), st.just(0)),
    st.tuples(st.just("compact"), st.integers(0, 9), st.just(0)),
)


def act(world: World, action: str, one: int, two: int) -> None:
    """Carry out an action of the history."""
    match action:
        case "append":
            world.append(one, two)
        case "steps":
            for _ in range(two):
                world.step(one, 2)
        case "fail":
            world.fail(one)
        case "kill":
            world.kill(one)
        case "expire":
            del world.records[:one]
        case "compact":
            del world.records[one : one + 1]


@given(st.lists(DAYS, min_size=1, max_size=12), st.lists(ACTIONS, min_size=10, max_size=60))
def test_each_record_is_in_one_file(days: list[int], history: list[tuple[str, int, int]]) -> None:
    """The files are a chain without gaps; each has records of its day only; a record that is still
    on the log is in one file, and no record is in two."""
    world = World()
    for day in days:
        world.append(day)
    for action in history:
        act(world, *action)
    run_alone(world)
    landed, position = [], 0
    keys = [key for key in world.store.objects if key.startswith("topic=")]
    for key in sorted(keys, key=lambda each: each.rpartition("/")[2]):
        data = world.store.objects[key]
        found = footer(data)
        rows = pq.read_table(io.BytesIO(data)).to_pydict()
        assert position == found.start == start_of(key.removesuffix(".parquet").replace("-", "/"))
        assert all(found.start <= offset < found.end for offset in rows["_offset"])
        day = day_from(key.split("/day=")[1][:10])
        assert {day} >= {at.toordinal() - 719163 for at in rows["_timestamp"]}
        landed += rows["_offset"]
        position = found.end
        event("a file without records", "yes" if not rows["_offset"] else "no")
    assert sorted(set(landed)) == landed
    assert {record.offset for record in world.records} <= set(landed)
    for name in [*world.landers]:
        world.kill(name)


def test_a_record_that_expired_between_two_landers() -> None:
    """The first lander saw a record of day 0 and died after its claim; the second finds a record of
    day 1 only. It writes a file without records for day 0, and continues with day 1."""
    world = World()
    world.append(0)
    world.append(1)
    while not any(key.startswith("_claims") for key in world.store.objects):
        world.step(0, 1)
    world.kill(0)
    del world.records[0]
    run_alone(world)
    files = sorted(key for key in world.store.objects if key.startswith("topic="))
    assert [key.split("/")[1] for key in files] == ["day=1970-01-01", "day=1970-01-02"]
    rows = [pq.read_table(io.BytesIO(world.store.objects[key])).num_rows for key in files]
    assert rows == [0, 1]


class Claimed:
    """A lake that gives fixed answers. `day`: the day of an earlier claim; `is_stored`: whether the
    file is stored, because there is none; `ends`: the end of the file that is there, by call."""

    def __init__(self, day: int | None, *, is_stored: bool, ends: Iterable[int | None]) -> None:
        self._day, self._is_stored, self._ends = day, is_stored, iter(ends)
        self.written: list[bytes] = []

    async def claim(self, *_: object) -> int | None:
        """See `Files`."""
        return self._day

    async def put(self, *of: object) -> bool:
        """See `Files`."""
        self.written.append(cast("bytes", of[-1]))
        return self._is_stored

    async def end_of(self, *_: object) -> int | None:
        """See `Files`."""
        return next(self._ends)


def result(lake: Claimed) -> Agreed:
    """Return the result for a file of the offset 5 on day 0."""

    async def encode(_: NextFile) -> bytes:
        return b"made here"

    with pytest.raises(StopIteration) as done:
        agree(lake, REF, NextFile(5, 6, 0, [Record(5, 0)]), encode).send(None)
    return cast("Agreed", done.value.value)


@pytest.mark.parametrize(
    ("lake", "agreed", "written"),
    [
        (Claimed(None, is_stored=True, ends=[]), Agreed(6, is_ours=True), 1),
        (Claimed(0, is_stored=True, ends=[None]), Agreed(6, is_ours=True), 1),
        (Claimed(0, is_stored=False, ends=[9]), Agreed(9, is_ours=False), 0),
        (Claimed(None, is_stored=False, ends=[9]), Agreed(9, is_ours=False), 1),
        (Claimed(0, is_stored=False, ends=[None, 9]), Agreed(9, is_ours=False), 1),
    ],
)
def test_the_file_that_is_in_the_lake_counts(lake: Claimed, agreed: Agreed, written: int) -> None:
    """A lander that was faster may have ended its file at another offset. What it made is not
    written again."""
    assert agreed == result(lake)
    assert [b"made here"] * written == lake.written


def test_a_file_that_existed_and_is_gone_is_an_error() -> None:
    """The error has the file's key."""
    with pytest.raises(FileVanished, match="00000000000000000005"):
        result(Claimed(None, is_stored=False, ends=[None]))


def test_a_paused_lander_reads_again_after_a_claim_for_another_day() -> None:
    """It has a record that expired; the claim for another day is the one that holds."""
    lake = Claimed(1, is_stored=True, ends=[None])
    with pytest.raises(ClaimedForAnotherDay):
        result(lake)
    assert [] == lake.written
