"""Recordings without all of their segments or files."""

import pytest
from obstore.store import MemoryStore

from agents.recorder.storage.files import keeping_of
from agents.recorder.storage.storage import drop_left_overs, store_recording, store_segment
from agents.recorder.work import Work
from pipeline.media.wav import HEADER_SIZE
from pipeline.recordings.beginnings import FirstKept, anew, frames_lost
from pipeline.recordings.effects import RecordingEnded, SegmentCut
from pipeline.recordings.keys import audio_key, inum, manifest_key
from pipeline.recordings.partition import PartitionFold
from pipeline.runtime.telemetry import Health
from pipeline.store.audio import AudioStore
from schemas.codec import decode
from schemas.records import RecorderCheckpoint, RecordingCompleted
from tests.agents.recorder.parts import FRAMES, FakeProducer, effects_on, messages, of_kind, story
from tests.pipeline.recordings.logs import T0, by_the_contract, opened_recording


async def with_segments(store: AudioStore) -> RecordingEnded:
    work = story()
    for cut in of_kind(work, SegmentCut):
        await store_segment(store, cut)
    (ended,) = of_kind(work, RecordingEnded)
    return ended


async def test_completed_by_another_recorder():
    """If the segments are gone because another recorder completed the recording, the same is
    reported."""
    store = AudioStore(MemoryStore())
    ended = await with_segments(store)
    done = await store_recording(store, ended, 3)
    await store.delete([key async for key in store.list("segments")])
    assert done == await store_recording(store, ended, 3)


async def test_a_segment_that_is_lost_is_no_silence():
    """A recording that lacks a segment is not written, and the loss is reported."""
    store = AudioStore(MemoryStore())
    ended = await with_segments(store)
    await store.delete([sorted([key async for key in store.list("segments")])[1]])
    with pytest.raises(FileNotFoundError):
        await store_recording(store, ended, 3)
    for key in (audio_key(opened_recording("MZ1")), manifest_key(opened_recording("MZ1"))):
        with pytest.raises(FileNotFoundError):
            await store.size(key)


async def test_left_over_segments():
    """Those of complete recordings go, those of others stay."""
    store = AudioStore(MemoryStore())
    ended = await with_segments(store)
    await store.put("segments/176387986200000000-0123456789abcdef-000000", b"another's")
    closing: RecorderCheckpoint = ended.checkpoint
    assert ended.stored == await drop_left_overs(store, [closing])
    assert 1 == len([key async for key in store.list("segments")])
    assert 0 == await drop_left_overs(store, [closing])


@pytest.mark.parametrize("gone", ["all", "something"])
async def test_a_recording_with_missing_files_can_be_made_again(store, gone):
    """From its first record, under the same INUM: as if nothing had happened."""
    work = [item for item in story() if not isinstance(item.effect, RecordingEnded)]
    producer = FakeProducer()
    effects = effects_on(store, producer, Health())
    await effects.carry_out(work)
    await effects.settle()
    [checkpoint] = [r for _, r in producer.sent if isinstance(r, RecorderCheckpoint)]
    keeping = keeping_of(store)
    assert await keeping.is_intact(checkpoint)
    keys = [key async for key in store.list("")]
    await store.delete(keys if gone == "all" else keys[:1])
    assert not await keeping.is_intact(checkpoint)
    await keeping.clear(checkpoint)
    assert not [key async for key in store.list("")]

    fold, producer = PartitionFold([anew(checkpoint, FirstKept(1, {}))]), FakeProducer()
    assert 0 == fold.resume_offset(99)
    again = []
    for message in messages("MZ1", 0, 12, 3):
        effects_of = fold.handle(decode(message.value), message.offset, T0)
        again += [Work(each, message) for each in effects_of]
    effects = effects_on(store, producer, Health())
    await effects.carry_out(again)
    await effects.settle()
    [done] = [r for _, r in producer.sent if isinstance(r, RecordingCompleted)]
    assert (inum(opened_recording("MZ1")), 50, 0) == (done.inum, done.received, done.lost)
    assert by_the_contract(FRAMES).samples == (await store.get(done.audio))[HEADER_SIZE:]


@pytest.mark.parametrize("first", [3, 6, 9])
async def test_what_has_expired_of_such_a_recording_counts_as_lost(store, first):
    """With the reason; it is still a single recording."""
    fold = PartitionFold()
    for offset, message in enumerate(messages("MZ1", 0, 10, 3)):
        fold.handle(decode(message.value), offset, T0)
    [checkpoint] = fold.snapshots(10)
    lost = 5 * (first - 1)
    kept = FirstKept(first, {"inbound": FRAMES[lost].timestamp})
    assert lost == frames_lost(checkpoint, kept)
    fold, producer = PartitionFold([anew(checkpoint, kept)]), FakeProducer()
    work = []
    for message in messages("MZ1", 0, 12, 3)[first:]:
        effects_of = fold.handle(decode(message.value), message.offset, T0 + 100_000)
        work += [Work(each, message) for each in effects_of]
    effects = effects_on(store, producer, Health())
    await effects.carry_out(work)
    [done] = [r for _, r in producer.sent if isinstance(r, RecordingCompleted)]
    assert (inum(opened_recording("MZ1")), 50 - lost, lost) == (done.inum, done.received, done.lost)
    assert {"files-gone": lost} == done.lost_for
