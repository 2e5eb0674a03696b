"""The merge's order depends on the records alone."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from cli.log_merge import Merge


@dataclass(frozen=True)
class Record:
    partition: str
    offset: int
    timestamp: int


Partitions = dict[str, list[Record]]


@st.composite
def partitions(draw: st.DrawFn) -> Partitions:
    """Up to four partitions, with offsets that have no record. A log time may be less than the one
    before it, after a change of the leader."""
    found: Partitions = {}
    for name in "abcd"[: draw(st.integers(1, 4))]:
        offset, records = draw(st.integers(0, 3)), []
        for at in draw(st.lists(st.integers(0, 20), max_size=8)):
            records.append(Record(name, offset, at))
            offset += draw(st.sampled_from([1, 1, 2]))
        found[name] = records
    return found


def ends(given_ones: Partitions) -> dict[str, int]:
    return {name: records[-1].offset + 2 if records else 5 for name, records in given_ones.items()}


def merged(
    given_ones: Partitions, positions: dict[str, int], data: st.DataObject, most: int = 1_000
) -> list[Record]:
    """Merge from the positions on, with fetches of any size; at most so many records."""
    merge: Merge[str, Record] = Merge(positions)
    merge.extend(ends(given_ones))
    position, found = dict(positions), []
    while True:
        for name, record in merge.take():
            assert name == record.partition
            found.append(record)
            if len(found) == most:
                return found
        starved = merge.starved()
        if not starved:
            return found
        for name in starved:
            size = data.draw(st.integers(1, 4))
            upto = min(position[name] + size, ends(given_ones)[name])
            records = [r for r in given_ones[name] if position[name] <= r.offset < upto]
            position[name] = upto
            merge.push(name, records, upto)


@given(partitions(), st.data())
def test_the_order_does_not_depend_on_fetches(given_ones: Partitions, data: st.DataObject) -> None:
    """Every record comes once, each partition's in its order, the others by log time and rank."""
    beginning = dict.fromkeys(given_ones, 0)
    found = merged(given_ones, beginning, data)
    assert found == merged(given_ones, beginning, data)
    for name, records in given_ones.items():
        assert records == [r for r in found if r.partition == name]
    times = [[r.timestamp for r in records] for records in given_ones.values()]
    if all(each == sorted(each) for each in times):
        assert found == sorted(found, key=lambda r: (r.timestamp, r.partition, r.offset))


@given(partitions(), st.data())
def test_a_stopped_merge_continues_the_order(given_ones: Partitions, data: st.DataObject) -> None:
    """A merge that begins after the records taken by an earlier one continues as that would."""
    beginning = dict.fromkeys(given_ones, 0)
    whole = merged(given_ones, beginning, data)
    stop = data.draw(st.integers(1, max(1, len(whole))))
    first = merged(given_ones, beginning, data, most=stop)
    positions = beginning | {r.partition: r.offset + 1 for r in first}
    assert whole == [*first, *merged(given_ones, positions, data)]


def test_a_limit_holds_back_later_records() -> None:
    """Records after the limit stay, and come with a later limit."""
    merge: Merge[str, Record] = Merge({"a": 0, "b": 0})
    merge.extend({"a": 2, "b": 1})
    merge.push("a", [Record("a", 0, 5), Record("a", 1, 9)], 2)
    merge.push("b", [Record("b", 0, 7)], 1)
    assert [5, 7] == [r.timestamp for _, r in merge.take(8)]
    assert [] == list(merge.take(8))
    merge.extend({"b": 2})
    assert ["b"] == merge.starved()
    assert [] == list(merge.take(100))
    merge.push("b", [Record("b", 1, 8)], 2)
    assert [8, 9] == [r.timestamp for _, r in merge.take(100)]
    assert 0 == merge.waiting("a")
