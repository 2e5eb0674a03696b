"""The recorder's work items, in groups that keep their order."""

from hypothesis import given
from hypothesis import strategies as st

from agents.recorder.reading import effects_of
from agents.recorder.work import Work, by_partition, in_turn, of_streams
from pipeline.media.regular import RegularReader
from pipeline.recordings.effects import Effect, Ignored, RecordingBegan, RecordingEnded, SegmentCut
from pipeline.recordings.partition import PartitionFold
from tests.agents.recorder.parts import FakeMessage, messages, of_kind, story


def interleaved() -> list[Work]:
    """The effects of two recordings on a partition, record by record."""
    fold, reader = PartitionFold(), RegularReader()
    pairs = zip(messages("MZ1", 0, 12, 3), messages("MZ2", 0, 12, 3, offset=50), strict=True)
    records = [record for pair in pairs for record in pair]
    return [Work(e, record) for record in records for e in effects_of(reader, fold, record)]


def test_the_parts_are_beginnings_segments_and_ends() -> None:
    """Each in the order of the log, and nothing is left out."""
    work = story()
    began, cuts, ended = in_turn([*work, Work(Ignored("x"), FakeMessage())])
    assert [RecordingBegan, Ignored] == [type(item.effect) for item in began]
    assert of_kind(work, SegmentCut) == [item.effect for item in cuts]
    assert of_kind(work, RecordingEnded) == [item.effect for item in ended]


def test_the_segments_of_a_recording_stay_in_order() -> None:
    """Those of different recordings are independent of each other."""
    _, cuts, _ = in_turn(interleaved())
    first, second = of_streams(cuts)
    for group, sid in ((first, "MZ1"), (second, "MZ2")):
        effects: list[Effect] = [item.effect for item in group]
        assert all(isinstance(e, SegmentCut) and sid == e.recording.stream_sid for e in effects)
        indexes = [e.segment.index for e in effects if isinstance(e, SegmentCut)]
        assert list(range(len(cuts) // 2)) == indexes


@given(st.lists(st.integers(0, 3), max_size=20))
def test_the_work_of_a_partition_stays_in_order(partitions: list[int]) -> None:
    """Every item is in the group of its partition."""
    work = [
        Work(Ignored("x"), FakeMessage(partition=partition, offset=n))
        for n, partition in enumerate(partitions)
    ]
    groups = by_partition(work)
    assert set(partitions) == set(groups)
    for partition, items in groups.items():
        assert [w for w in work if w.message.partition == partition] == items
