"""Records of several partitions come out in the order of time."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from cli.tail.merging import TimeOrder


@dataclass(frozen=True)
class Record:
    """A record in a log."""

    partition: int
    offset: int
    timestamp: int


@given(data=st.data(), times=st.lists(st.lists(st.integers(0, 20)), min_size=1, max_size=4))
def test_all_records_come_in_order(data: st.DataObject, times: list[list[int]]) -> None:
    """However the records arrive, each comes out once, those of a partition in their order; and all
    in the order of time, if those of each partition are."""
    if data.draw(st.booleans()):
        times = [sorted(each) for each in times]
    logs = [[Record(n, o, at) for o, at in enumerate(each)] for n, each in enumerate(times)]
    order: TimeOrder[Record] = TimeOrder(len(logs))
    found: list[Record] = []
    left = {n: list(log) for n, log in enumerate(logs)}
    while left:
        partition = data.draw(st.sampled_from(sorted(left)))
        if data.draw(st.booleans()):
            order.add(partition, [])
        size = data.draw(st.integers(1, 3))  # not 0: the loop must end
        order.add(partition, left[partition][:size])
        left[partition] = left[partition][size:]
        if not left[partition]:
            order.finish(partition)
            del left[partition]
        found += order.ready()
    for partition, log in enumerate(logs):
        assert log == [record for record in found if record.partition == partition]
    assert sum(map(len, logs)) == len(found)
    if all(each == sorted(each) for each in times):
        assert sorted(r.timestamp for r in found) == [r.timestamp for r in found]


def test_a_record_waits_for_a_slower_partition() -> None:
    """As long as a partition may have an earlier record, later ones are kept back."""
    order: TimeOrder[Record] = TimeOrder(2)
    order.add(0, [Record(0, 0, 5)])
    assert [] == order.ready()
    assert ({1}, 1) == (order.hungry, order.count(0))
    order.add(1, [Record(1, 0, 3)])
    assert [3] == [record.timestamp for record in order.ready()]
    order.finish(1)
    assert [5] == [record.timestamp for record in order.ready()]
