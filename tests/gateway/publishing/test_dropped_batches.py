"""The record of dropped batches has all of their frames."""

from hypothesis import given, settings

from gateway.publishing.dropped_batches import Dropped
from pipeline.media.runs import frames_of
from schemas.records import MediaBatch, MediaDropped
from tests.examples import examples
from tests.pipeline.recordings.logs import batch_lists, frame_lists

BATCHES = frame_lists(max_size=12).flatmap(lambda frames: batch_lists("MZ1", frames))


def dropped(batches: list[MediaBatch]) -> MediaDropped:
    """Return the record of these batches."""
    made = Dropped(batches[0], "buffer-full")
    for each in batches[1:]:
        made.add(each)
    assert len(batches) == made.batches
    return made.record()


@given(BATCHES.filter(bool))
@settings(max_examples=examples(30))
def test_every_frame_is_in_the_record_once(batches: list[MediaBatch]) -> None:
    """On its track, in order, with its length."""
    record = dropped(batches)
    expected: dict[str, list[tuple[int, int]]] = {}
    for each in batches:
        for track in each.tracks:
            expected.setdefault(track.track, []).extend(frames_of(track.runs))
    assert expected == {track.track: list(frames_of(track.runs)) for track in record.tracks}
    assert sorted(expected) == [track.track for track in record.tracks]


@given(BATCHES.filter(bool))
@settings(max_examples=examples(30))
def test_the_record_names_the_batches(batches: list[MediaBatch]) -> None:
    """From the first to the last number, at the time of the last one, with the SIDs and the
    gateway."""
    record, first, last = dropped(batches), batches[0], batches[-1]
    assert (first.number, last.number, last.at) == (
        record.first_number, record.last_number, record.at,
    )  # fmt: skip
    assert (first.stream_sid, first.call_sid, first.task_sid, first.gateway, first.epoch) == (
        record.stream_sid, record.call_sid, record.task_sid, record.gateway, record.epoch,
    )  # fmt: skip
    assert "buffer-full" == record.reason
