"""A complete recording never changes: audio that arrives later is a recording of its own, once."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from pipeline.media.wav import HEADER_SIZE
from pipeline.recordings import assembler
from pipeline.recordings.effects import Ignored
from pipeline.recordings.keys import audio_key
from pipeline.recordings.partition import PartitionFold
from schemas.records import (
    GatewayStarted,
)
from tests.pipeline.recordings.logs import (
    EPOCH,
    GATEWAY,
    T0,
    closed,
    dropped,
    opened,
)
from tests.pipeline.recordings.supplemented import (
    HOUR,
    TICK,
    batch,
    completed,
    log_of,
    world_of,
)

REMEMBERED_MS = 4 * 24 * 60 * 60 * 1000
SILENT_MS = 60 * 60 * 1000
SUPPLEMENT_SILENT_MS = 60_000


@pytest.fixture(autouse=True, scope="module")
def _small_segments() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembler, "SEGMENT_BYTES", 1_000)
        yield


NEXT = GatewayStarted(GATEWAY, EPOCH + 1, T0)


def test_audio_of_a_complete_recording_becomes_a_supplement():
    """The first recording stays as it was; the supplement has its own INUM, begins with its first
    frame, and names the first."""
    first = [opened("MZ1"), batch(1), batch(2), closed("MZ1")]
    late = [batch(3), batch(4), NEXT]
    before = world_of(log_of(*first))
    world = world_of(log_of(*first, 65 * 60_000, *late))
    main, supplement = completed(world)
    assert (main.recording_id, main) in [(d.recording_id, d) for d in completed(before)]
    assert before.audio[main.recording_id] == world.audio[main.recording_id]
    assert (main.inum, "gateway-died") == (supplement.supplement_of, supplement.reason)
    digest = int(hashlib.sha256(b"MZ1:3").hexdigest(), 16) % 10**8
    assert f"{(T0 + 120) // 1000}{digest:08d}" == supplement.inum
    assert (8, 80) == (supplement.received, supplement.duration_ms)
    assert T0 + 80 == supplement.started_at  # when its first frame was spoken
    assert 100 + 80 == world.manifest(supplement.recording_id)["audio"]["origin_ms"]
    audio = world.audio[supplement.recording_id][HEADER_SIZE:]
    assert bytes([3, 0, 0, 7]) * 40 == audio[: 2 * 160 : 2]


@pytest.mark.parametrize("lateness", [0, 2 * HOUR, REMEMBERED_MS - HOUR])
def test_what_comes_again_changes_nothing(lateness):
    """However late, and however often, also beside audio that is new."""
    first = [opened("MZ1"), batch(1), batch(2), closed("MZ1")]
    world = world_of(log_of(*first, lateness, *first, batch(2), batch(3), batch(3), batch(1), NEXT))
    main, supplement = completed(world)
    assert (8, 4) == (main.received, supplement.received)
    assert (0, 0) == (main.duplicate, supplement.duplicate)


def test_a_supplement_ends_with_the_close_or_after_a_minute_of_silence():
    """By the log's clock; audio that comes after that is the next supplement."""
    first = [opened("MZ1"), batch(1), closed("MZ1")]
    world = world_of(
        log_of(
            *first, batch(2), SUPPLEMENT_SILENT_MS, TICK, batch(3), closed("MZ1"), batch(4), NEXT
        )
    )
    main, *supplements = completed(world)
    assert ["silent", "stop", "gateway-died"] == [each.reason for each in supplements]
    assert {main.inum} == {each.supplement_of for each in supplements}
    assert 4 == len({each.inum for each in completed(world)})


def test_a_gateway_that_was_cut_off_for_over_an_hour():
    """Others kept the log's clock running: the recording was completed without it. All that it sent
    when it was back is recorded, and none of it counts as lost."""
    heard = [opened("MZ1"), *(batch(n) for n in range(1, 11))]
    spilled = [*(batch(n) for n in range(11, 200)), closed("MZ1")]
    world = world_of(log_of(*heard, SILENT_MS, TICK, 5 * 60_000, *spilled))
    main, supplement = completed(world)
    assert ("gateway-gone", "stop") == (main.reason, supplement.reason)
    assert (40, 0) == (main.received, main.lost)
    assert (4 * 189, 0) == (supplement.received, supplement.lost)


def test_a_stream_sid_that_is_used_under_another_task_is_its_own_recording():
    """At the same time and in the same second: neither touches the other."""
    mine = [opened("MZ1"), batch(1), batch(2), closed("MZ1")]
    theirs = [replace(each, task_sid="WT2", call_sid="CA2") for each in mine]
    mixed = [record for pair in zip(mine, theirs, strict=True) for record in pair]
    world = world_of(log_of(*mixed, 2 * HOUR, *theirs[1:], replace(batch(3), task_sid="WT2"), NEXT))
    one, other, supplement = completed(world)
    assert ("WT1", "WT2", "WT2") == (one.task_sid, other.task_sid, supplement.task_sid)
    assert one.inum == other.inum
    assert 3 == len({each.recording_id for each in completed(world)})
    assert [8, 8, 4] == [each.received for each in (one, other, supplement)]
    assert ("", "") == (one.supplement_of, other.supplement_of)


def test_a_stream_sid_that_another_gateway_takes_in_loses_nothing():
    """While the first holds it, and afterwards: batches are numbered within one gateway's life."""
    elsewhere = [batch(n, gateway="gateway-1", first=0) for n in (1, 2)]
    begun = [opened("MZ1"), batch(1), *elsewhere, batch(2), closed("MZ1")]
    again = [batch(n, epoch=EPOCH + 1, first=0) for n in (1, 2)]
    world = world_of(log_of(*begun, SUPPLEMENT_SILENT_MS, TICK, *again, SUPPLEMENT_SILENT_MS, TICK))
    main, *supplements = completed(world)
    assert [8, 8, 8] == [each.received for each in (main, *supplements)]
    assert {main.inum} == {each.supplement_of for each in supplements}


def test_dropped_batches_of_a_complete_recording():
    """They are lost for the gateway's reason, once: in a supplement, even if it has no audio."""
    gone = dropped([batch(3), batch(4)])
    first = [opened("MZ1"), batch(1), batch(2), closed("MZ1")]
    world = world_of(log_of(*first, 2 * HOUR, gone, gone, batch(5), NEXT))
    _, supplement = completed(world)
    assert (4, {"spill-full": 8}) == (supplement.received, supplement.lost_for)
    world = world_of(log_of(*first, 2 * HOUR, gone, closed("MZ1"), gone))
    _, supplement = completed(world)
    assert (0, {"spill-full": 8}, 8) == (
        supplement.received,
        supplement.lost_for,
        supplement.lost_at_end,
    )


def test_a_checkpoint_of_an_earlier_version_keeps_its_names():
    """A recording that was open during an upgrade of flexcapture keeps its names, and its batches
    are recognized by the highest number alone."""
    fold = PartitionFold()
    for message in log_of(opened("MZ1"), batch(1)):
        fold.handle(message.record, message.offset, message.at)
    (before,) = fold.snapshots(10)
    before = replace(before, by_task=False, ranges=(), clock=())
    fold = PartitionFold([before])
    assert 1 == len(fold.handle(batch(2), 10, T0))  # a segment
    (ended,) = fold.handle(closed("MZ1"), 11, T0)
    digest = hashlib.sha256(b"MZ1").hexdigest()[:16]
    assert not ended.recording.by_task
    assert digest in audio_key(ended.recording)
    fold = PartitionFold([replace(ended.checkpoint, ranges=())])
    assert [Ignored("in a complete recording")] == fold.handle(batch(2), 12, T0)
