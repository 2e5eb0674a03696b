"""One recording, folded record by record: its cuts, its checkpoints, its refusals."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.media.batch import MalformedBatch
from pipeline.media.regular import RegularBatch, RegularReader
from pipeline.media.wav import MAX_SAMPLES
from pipeline.recordings import assembler
from pipeline.recordings.assembler import UNKNOWN, Assembler
from pipeline.recordings.beginnings import opened as begun
from pipeline.recordings.beginnings import supplement
from pipeline.recordings.lost_ranges import START
from pipeline.recordings.timestamps import LAST_REGULAR_MS, MAX_TIMESTAMP_MS
from schemas.codec import encode
from schemas.records import MediaBatch, RecordingSegment, Run
from tests.examples import examples
from tests.pipeline.recordings.logs import (
    T0,
    Frame,
    batch_lists,
    batch_of,
    dropped,
    frame_lists,
    opened,
    opened_recording,
    payload,
)
from tests.pipeline.recordings.supplemented import batch as regular_batch

BATCHES = frame_lists().flatmap(lambda frames: batch_lists("MZ1", frames))


@pytest.fixture(autouse=True, scope="module")
def _small_segments() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembler, "SEGMENT_BYTES", 1_000)
        yield


def fresh() -> Assembler:
    """Return the fold of a recording that has just begun, at offset 0."""
    return begun(opened("MZ1"), 0)


def add_all(fold: Assembler, *batches: MediaBatch) -> list[RecordingSegment]:
    """Fold in batches, each at the next offset. Return the segments that they complete."""
    segments = [fold.add(each, fold.next_offset) for each in batches]
    return [each for each in segments if each]


def folded(batches: list[MediaBatch], fold: Assembler) -> list[RecordingSegment]:
    """Fold in batches. Return all segments, with the pending audio as the last one."""
    return [*add_all(fold, *batches), fold.cut(fold.next_offset)]


def regular(batch: MediaBatch) -> RegularBatch:
    """Return a batch as the fast reader gives it."""
    found = RegularReader().read(encode(batch))
    assert found is not None
    return found


@settings(max_examples=examples(30))
@given(BATCHES, st.integers(0, 40))
def test_a_checkpoint_continues_the_fold_at_any_record(
    batches: list[MediaBatch], middle: int
) -> None:
    """The segments and the state are the same with and without a stop after any record."""
    through, stopped = fresh(), fresh()
    at_once = folded(batches, through)
    first = add_all(stopped, *batches[:middle])
    resumed = Assembler(stopped.checkpoint())
    assert at_once == [*first, *folded(batches[middle:], resumed)]
    assert through.checkpoint() == resumed.checkpoint()


@settings(max_examples=examples(30))
@given(BATCHES)
def test_segments_hold_all_audio_and_all_offsets_once(batches: list[MediaBatch]) -> None:
    """They are numbered from 0. The offsets of two segments do not overlap, and each batch is
    counted in one of them."""
    segments = folded(batches, fresh())
    assert list(range(len(segments))) == [each.index for each in segments]
    assert len(batches) == sum(each.batches for each in segments)
    offsets = [n for each in segments for n in (each.first_offset, each.last_offset)]
    assert sorted(offsets) == offsets


@settings(max_examples=examples(30))
@given(BATCHES)
def test_a_segment_is_cut_by_the_batch_that_fills_it(batches: list[MediaBatch]) -> None:
    """The pending audio never reaches the limit after a record, and a segment that was cut for its
    size reached the limit."""
    fold = fresh()
    for each in batches:
        cut = fold.add(each, fold.next_offset)
        assert not fold.due
        if cut is not None:
            assert assembler.SEGMENT_BYTES <= sum(len(track.audio) for track in cut.tracks)


@pytest.mark.parametrize(("limit", "is_cut"), [(640, True), (641, False)])
def test_the_audio_of_both_tracks_counts(
    limit: int, is_cut: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 ms are 320 bytes on each track, and a segment is due when the limit is reached."""
    monkeypatch.setattr(assembler, "SEGMENT_BYTES", limit)
    assert is_cut == bool(add_all(fresh(), regular_batch(1)))


def test_many_runs_are_cut_before_the_audio_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames with gaps are a run each. The number of both tracks in a segment is limited."""
    monkeypatch.setattr(assembler, "MAX_SEGMENT_RUNS", 3)
    tracks = ("inbound", "inbound", "outbound")
    frames = [Frame(track, 500 * n, payload(n, 8)) for n, track in enumerate(tracks)]
    fold = fresh()
    assert fold.add(batch_of("MZ1", 1, frames[:2]), 1) is None
    assert fold.add(batch_of("MZ1", 2, frames[2:]), 2) is not None


@given(st.integers(1, 20))
def test_gathering_is_adding(count: int) -> None:
    """Batches that continue both tracks have the same effect by the fast path. It takes all of
    them but the first of a segment."""
    quick, slow, gathered, cuts = fresh(), fresh(), 0, 0
    for n in range(1, 1 + count):
        each, offset = regular_batch(n), slow.next_offset
        segment = slow.add(each, offset)
        if quick.gather(regular(each), offset):
            gathered += 1
            assert segment == (quick.cut(offset) if quick.due else None)
        else:
            assert segment == quick.add(each, offset)
        cuts += segment is not None
    assert slow.checkpoint() == quick.checkpoint()
    assert count - gathered in (cuts, cuts + 1)


@pytest.mark.parametrize(
    ("change", "is_gathered"),
    [
        ({}, True),
        ({"number": 2}, False),  # in already
        ({"number": 4}, False),  # batch 3 is missing
        ({"inbound_timestamp": 181}, False),
        ({"outbound_timestamp": 179}, False),
    ],
)
def test_only_a_batch_that_continues_both_tracks_is_gathered(
    change: dict[str, int], is_gathered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any other batch is left to `add`, and nothing of it is folded in."""
    monkeypatch.setattr(assembler, "SEGMENT_BYTES", 10_000)
    fold = fresh()
    add_all(fold, regular_batch(1), regular_batch(2))
    before = fold.checkpoint()
    assert is_gathered == fold.gather(regular(regular_batch(3))._replace(**change), 9)
    assert is_gathered == (before != fold.checkpoint())


@pytest.mark.parametrize(("excess", "is_gathered"), [(0, True), (1, False)])
def test_late_timestamps_are_left_to_the_checks(
    excess: int, is_gathered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that could reach beyond 25 hours is not gathered, so that `add` checks it."""
    monkeypatch.setattr(assembler, "SEGMENT_BYTES", 10_000)
    fold = fresh()
    first = LAST_REGULAR_MS - 40 + excess
    add_all(fold, regular_batch(1, first=first))
    assert is_gathered == fold.gather(regular(regular_batch(2, first=first)), 9)


def test_a_batch_that_comes_again_is_counted_and_adds_nothing() -> None:
    """Neither audio nor time: only the number of repetitions and the offset change."""
    fold = fresh()
    add_all(fold, regular_batch(1), regular_batch(2))
    before = fold.checkpoint()
    assert fold.add(replace(regular_batch(1), at=T0 + 99_000), 7) is None
    assert (1, 8) == (fold.batches.repeated, fold.next_offset)
    assert before.tracks == fold.checkpoint().tracks
    assert (before.clock, before.begun_at) == (fold.checkpoint().clock, fold.begun_at)


def test_the_time_of_a_recording_does_not_go_back() -> None:
    """Its last record is the one with the latest time, also if others follow it in the log."""
    fold = fresh()
    add_all(fold, replace(regular_batch(1), at=T0 + 900), replace(regular_batch(2), at=T0 + 80))
    assert T0 + 900 == fold.last_at


def test_an_interruption_is_in_the_clock_of_the_samples() -> None:
    """The second batch was received 5 s late: its samples have that time."""
    fold = fresh()
    first, second = regular_batch(1, first=0), regular_batch(2, first=0)
    add_all(fold, first, replace(second, at=second.at + 5_000))
    assert [(0, T0 + 0), (320, T0 + 5_040)] == [(p.sample, p.at) for p in fold.received_at]
    assert fold.received_at == fold.checkpoint().clock


@pytest.mark.parametrize("run", [Run(MAX_TIMESTAMP_MS + 1, 1, 0, 320), Run(100, 3, 20, 160)])
def test_a_malformed_batch_leaves_the_recording_as_it_was(run: Run) -> None:
    """A timestamp beyond 25 hours, or runs that do not match the audio: also the other track of
    the batch is not folded in."""
    fold = fresh()
    good = regular_batch(1)
    bad = replace(good, tracks=(good.tracks[0], replace(good.tracks[1], runs=(run,))))
    before = fold.checkpoint()
    with pytest.raises(MalformedBatch):
        fold.add(bad, 1)
    assert before == fold.checkpoint()


def test_a_recording_ends_before_a_wav_file_overflows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A track that is as long as a WAV file can be takes no more audio."""
    monkeypatch.setattr(assembler, "MAX_SAMPLES", MAX_TIMESTAMP_MS * 8 + 319)
    fold = fresh()
    with pytest.raises(MalformedBatch, match="WAV"):
        fold.add(regular_batch(1), 1)
    assert MAX_SAMPLES > MAX_TIMESTAMP_MS * 8


def test_dropped_batches_are_folded_in_once() -> None:
    """The second report of the same batches changes nothing, also not the next offset."""
    fold = fresh()
    fold.add(regular_batch(1), 1)
    gone = dropped([regular_batch(2), regular_batch(3)])
    assert fold.drop(gone, 2)
    before = fold.checkpoint()
    assert 2 == before.dropped_batches
    assert not fold.drop(gone, 3)
    assert before == fold.checkpoint()
    assert 3 == before.offset


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": ""},
        {"reason": START},  # the recorder's own mark of the start
        {"first_number": 0},
        {"first_number": 4},  # after the last
    ],
)
def test_a_malformed_report_of_dropped_batches_is_refused(changes: dict[str, object]) -> None:
    """It changes nothing."""
    fold = fresh()
    gone = replace(dropped([regular_batch(1), regular_batch(3)]), **changes)  # type: ignore[arg-type]
    before = fold.checkpoint()
    with pytest.raises(MalformedBatch):
        fold.drop(gone, 1)
    assert before == fold.checkpoint()


def test_a_missing_batch_is_noted_on_both_tracks() -> None:
    """The frames that are lost before the next batch are lost because of it."""
    fold = fresh()
    add_all(fold, regular_batch(1), regular_batch(3))
    lost = [{"batch-missing": 2}] * 2
    assert lost == [dict(track.lost_for) for track in fold.tracks()]


def test_a_supplement_begins_with_its_first_frame() -> None:
    """Its sample 0 is the earlier of the first frames of both tracks, and the silence between them
    stays."""
    frames = [Frame("inbound", 5_040, payload(1, 160)), Frame("outbound", 5_000, payload(2, 160))]
    first = batch_of("MZ1", 4, frames)
    fold = supplement(first, 9, opened_recording("MZ1"), 3)
    assert UNKNOWN == fold.origin
    fold.add(first, 9)
    assert 5_000 == fold.origin
    assert (40 + 20) * 8 == fold.samples
    assert 5_000 == fold.checkpoint().origin
    later = batch_of("MZ1", 5, [Frame("outbound", 5_060, payload(3, 160))])
    fold.add(later, 10)
    assert (60 + 20) * 8 == fold.samples


def test_a_supplement_without_frames_has_no_origin_yet() -> None:
    """Batches with invalid frames only do not begin its audio."""
    empty = batch_of("MZ1", 4, [], invalid=2)
    fold = supplement(empty, 9, opened_recording("MZ1"), 3)
    fold.add(empty, 9)
    assert (UNKNOWN, 0) == (fold.origin, fold.samples)


def test_the_media_clock_began_no_later_than_its_fastest_batch() -> None:
    """A frame cannot arrive before its time: the smallest difference between the gateway's clock
    and the media time is the upper limit of the beginning."""
    fold = fresh()
    assert T0 == fold.begun_at
    late = [Frame("inbound", 0, payload(1, 160)), Frame("inbound", 20, payload(2, 160))]
    fold.add(replace(batch_of("MZ1", 1, late[:1]), at=T0 + 500), 1)
    assert T0 == fold.begun_at
    fold.add(replace(batch_of("MZ1", 2, late[1:]), at=T0 + 10), 2)
    assert T0 + 10 - 40 == fold.begun_at
