"""How a recording begins, and how it is begun anew."""

from dataclasses import replace

import pytest

from pipeline.recordings.assembler import UNKNOWN
from pipeline.recordings.beginnings import (
    FirstKept,
    anew,
    frames_lost,
    opened_by,
    started,
    supplement,
)
from pipeline.recordings.beginnings import opened as begun
from pipeline.recordings.keys import inum, recording_id, recording_of
from schemas.records import MediaBatch, RecorderCheckpoint
from tests.pipeline.recordings.logs import (
    T0,
    Frame,
    batch_of,
    dropped,
    opened,
    opened_recording,
    payload,
)


def batch(number: int, *, tracks: tuple[str, ...] = ("inbound", "outbound")) -> MediaBatch:
    """Return the `number`-th batch: five frames of each track, 100 ms."""
    frames = [
        Frame(track, 100 * (number - 1) + 20 * n, payload(10 * number + n, 160))
        for n in range(5)
        for track in tracks
    ]
    return batch_of("MZ1", number, frames)


def after(*batches: MediaBatch) -> RecorderCheckpoint:
    """Return the checkpoint of a recording with these batches."""
    assembler = begun(opened("MZ1"), 3)
    for n, each in enumerate(batches, 4):
        assembler.add(each, n)
    return assembler.checkpoint()


def test_a_recording_begins_with_the_opening_of_its_stream() -> None:
    """By the gateway's clock; the next record to read is the one behind it."""
    assembler = begun(opened("MZ1"), 3)
    assert replace(opened_recording("MZ1"), first_offset=3) == assembler.recording
    checkpoint = assembler.checkpoint()
    assert (4, None, T0, T0) == (
        checkpoint.offset, checkpoint.closed_at, checkpoint.started_at, checkpoint.last_at,
    )  # fmt: skip
    assert (0, 0, 0) == (checkpoint.batches, checkpoint.last_batch, checkpoint.segments)
    assert [("inbound", False), ("outbound", False)] == [
        (track.track, track.batch_missing) for track in checkpoint.tracks
    ]


@pytest.mark.parametrize("record", [batch(4), dropped([batch(4)])])
def test_without_an_opening_a_later_record_begins_it(record: MediaBatch) -> None:
    """At that record's time; name and generation are not known. The record is not folded in yet."""
    assembler = opened_by(record, 9)
    recording = assembler.recording
    assert ("MZ1", "CAMZ1", "WT1") == (recording.stream_sid, recording.call_sid, recording.task_sid)
    assert (None, 0, record.at, 9) == (
        recording.name, recording.generation, recording.started_at, recording.first_offset,
    )  # fmt: skip
    assert 0 == assembler.checkpoint().batches


def test_a_supplement_belongs_to_its_recording() -> None:
    """It has its name and generation, and a part of its own; it begins when its first frame was
    spoken, and is named after the time at which that came."""
    first = opened_recording("MZ1")
    made = supplement(batch(4), 9, first, 2).recording
    assert (4, inum(first), "name-MZ1", 1) == (
        made.part, made.supplement_of, made.name, made.generation,
    )  # fmt: skip
    at = batch(4).at
    assert (at - 100, at, 9) == (made.started_at, made.named_at, made.first_offset)
    lost = supplement(dropped([batch(4)]), 9, first, 2).recording
    assert -4 == lost.part
    again = supplement(batch(7), 12, made, 5).recording
    assert inum(first) == again.supplement_of


@pytest.mark.parametrize(("known", "expected"), [(2, 2), (3, 3), (4, 3), (9, 3)])
def test_batches_before_a_supplement_are_not_missing_in_it(known: int, expected: int) -> None:
    """Those that the recording has, or that came later than its own first one."""
    checkpoint = supplement(batch(4), 9, opened_recording("MZ1"), known).checkpoint()
    assert (expected, UNKNOWN) == (checkpoint.last_batch, checkpoint.origin)


def test_the_announcement_of_a_recording() -> None:
    """Under its number and its id; a supplement names its recording."""
    record = started(opened_recording("MZ1"))
    assert (inum(opened_recording("MZ1")), recording_id(opened_recording("MZ1")), "") == (
        record.inum, record.recording_id, record.supplement_of,
    )  # fmt: skip
    assert (T0, 1, "WT1") == (record.started_at, record.generation, record.task_sid)
    late = supplement(batch(4), 9, opened_recording("MZ1"), 2).recording
    assert inum(opened_recording("MZ1")) == started(late).supplement_of


def test_a_recording_is_begun_anew_under_its_number() -> None:
    """From its first record; it does not count as silent since then."""
    known = replace(after(batch(1), batch(2)), heard_at=T0 + 7_000)
    fresh = anew(known, FirstKept(1, {}))
    assert recording_of(known) == recording_of(fresh)
    assert (3, T0 + 7_000) == (fresh.offset, fresh.heard_at)
    assert (0, 0, 0) == (fresh.batches, fresh.dropped_batches, fresh.last_batch)
    assert 0 == frames_lost(known, FirstKept(1, {}))
    assert known.last_at == anew(replace(known, heard_at=0), None).heard_at


def test_expired_batches_of_it_are_lost() -> None:
    """Batches 1 and 2, with the ten frames of each; the reason is that its files are gone."""
    known = after(batch(1), batch(2), batch(3))
    kept = FirstKept(3, {"inbound": 200, "outbound": 200})
    fresh = anew(known, kept)
    assert (2, 2) == (fresh.last_batch, fresh.dropped_batches)
    assert {"files-gone"} == {d.reason for t in fresh.tracks for d in t.dropped}
    assert 20 == frames_lost(known, kept)
    assert 30 == frames_lost(known, None)
    assert 3 == anew(known, None).last_batch


def test_of_a_track_that_is_not_in_the_first_kept_record_all_frames_are_lost() -> None:
    """Those so far: its next frame is not known yet."""
    known = after(batch(1), batch(2, tracks=("inbound",)))
    assert 5 + 5 == frames_lost(known, FirstKept(2, {"inbound": 100}))


def test_a_supplement_is_begun_anew_with_its_own_numbers() -> None:
    """The batches before its first one are none of its own."""
    assembler = supplement(batch(4), 9, opened_recording("MZ1"), 2)
    assembler.add(batch(4), 9)
    assembler.add(batch(5), 10)
    known = assembler.checkpoint()
    fresh = anew(known, FirstKept(4, {}))
    assert (3, 0, UNKNOWN) == (fresh.last_batch, fresh.dropped_batches, fresh.origin)
    assert 1 == anew(known, FirstKept(5, {})).dropped_batches
