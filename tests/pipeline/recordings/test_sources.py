"""Which media stream a record belongs to, and when one without records has ended."""

from dataclasses import replace

import pytest

from pipeline.recordings.beginnings import opened as begun
from pipeline.recordings.beginnings import supplement
from pipeline.recordings.sources import closing, is_complete, silence, silence_limit, source_of
from tests.pipeline.recordings.closing import closing_checkpoint, decision
from tests.pipeline.recordings.logs import (
    T0,
    Frame,
    batch_of,
    closed,
    dropped,
    opened,
    opened_recording,
    payload,
)

FRAMES = [Frame("inbound", 100, payload(1, 160))]
BATCH = batch_of("MZ1", 4, FRAMES)
SUPPLEMENT = supplement(BATCH, 9, opened_recording("MZ1"), 0)


def test_all_records_of_a_media_stream_have_one_source() -> None:
    """So have its recording and its checkpoint; another task, stream, gateway or life of the
    gateway is another source."""
    records = [opened("MZ1"), BATCH, dropped([BATCH]), closed("MZ1"), opened_recording("MZ1")]
    assert 1 == len({source_of(each) for each in (*records, closing_checkpoint("MZ1"))})
    changes = [{"task_sid": "WT2"}, {"stream_sid": "MZ2"}, {"gateway": "g"}, {"epoch": 7}]
    others = {source_of(replace(BATCH, **each)) for each in changes}  # type: ignore[arg-type]
    assert 4 == len(others - {source_of(BATCH)})


def test_a_recording_may_be_silent_for_an_hour_and_a_supplement_for_a_minute() -> None:
    """A gateway spills audio while Kafka is away; a supplement's audio arrives all at once."""
    assert 60 * 60 * 1_000 == silence_limit(opened_recording("MZ1"))
    assert 60 * 1_000 == silence_limit(SUPPLEMENT.recording)


def test_the_end_of_a_silent_recording() -> None:
    """The gateway of a first recording is gone; it may come back, so that no frames are counted as
    lost with it."""
    first, later = silence(begun(opened("MZ1"), 0), T0 + 7), silence(SUPPLEMENT, T0 + 8)
    assert ("gateway-gone", "no record for 60 min", T0 + 7) == (
        first.reason,
        first.detail,
        first.at,
    )
    assert ("silent", "no record for 1 min", T0 + 8) == (later.reason, later.detail, later.at)
    assert not first.takes_frames
    assert not later.takes_frames


@pytest.mark.parametrize(
    ("last", "has_batch", "has_dropped"), [(3, False, False), (4, True, False), (5, True, True)]
)
def test_audio_that_a_complete_recording_has(last: int, has_batch: bool, has_dropped: bool) -> None:
    """A batch of a number that came; dropped batches up to the highest number."""
    complete = [closing_checkpoint("MZ1", last=last)]
    lost = dropped([BATCH, batch_of("MZ1", 5, FRAMES)])
    assert has_batch == is_complete(BATCH, complete)
    assert has_dropped == is_complete(lost, complete)


def test_a_hole_in_the_numbers_is_not_complete() -> None:
    """Batch 4 did not come, though 9 did: it becomes a supplement. Dropped, it is accounted for."""
    complete = [replace(closing_checkpoint("MZ1", last=3), last_batch=9)]
    assert not is_complete(BATCH, complete)
    assert is_complete(dropped([BATCH]), complete)


def test_a_closing_checkpoint_has_what_late_audio_needs() -> None:
    """The place behind the last record, the numbers, the decisions; no audio, no tracks."""
    known = begun(opened("MZ1"), 3)
    known.add(BATCH, 4)
    stop = decision(5, "stop")
    made = closing(known.checkpoint(), 11, T0 + 99, 2, [stop])
    assert (12, T0 + 99, 2, (stop,)) == (made.offset, made.closed_at, made.segments, made.decisions)
    assert ((), None, ()) == (made.tracks, made.pending, made.clock)
    assert (1, 4, 3) == (made.batches, made.last_batch, made.first_offset)
