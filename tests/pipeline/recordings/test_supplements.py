"""A complete recording never changes: audio that arrives later is a recording of its own, once."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.media.wav import HEADER_SIZE
from pipeline.recordings import assembler
from pipeline.recordings.complete_streams import REMEMBERED_MS
from pipeline.recordings.effects import Ignored
from pipeline.recordings.keys import audio_key
from pipeline.recordings.partition import PartitionFold
from pipeline.recordings.sources import SILENT_MS, SUPPLEMENT_SILENT_MS
from schemas.codec import decode
from schemas.records import (
    GatewayAlive,
    GatewayStarted,
    MediaBatch,
    MediaDropped,
    RecordingCompleted,
    RecordingStarted,
)
from tests.examples import examples
from tests.pipeline.recordings.logs import (
    EPOCH,
    GATEWAY,
    T0,
    Frame,
    Message,
    batch_of,
    closed,
    dropped,
    opened,
)
from tests.pipeline.recordings.verifier import verify
from tests.pipeline.recordings.world import World

TRACKS = ("inbound", "outbound")
HOUR = 60 * 60_000


@pytest.fixture(autouse=True, scope="module")
def _small_segments() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembler, "SEGMENT_BYTES", 1_000)
        yield


def batch(number: int, *, sid: str = "MZ1", first: int = 100, **changed: Any) -> MediaBatch:
    """The `number`-th 40 ms of a media stream; its frames say which they are."""
    frames = [
        Frame(track, first + 40 * (number - 1) + 20 * n, bytes([number, n, side, 7]) * 40)
        for n in range(2)
        for side, track in enumerate(TRACKS)
    ]
    return replace(batch_of(sid, number, frames), at=T0 + 40 * number, **changed)


def log_of(*records: Any, step: int = 100) -> list[Message]:
    """A log of these; a number in place of a record is a time without records (ms)."""
    log: list[Message] = []
    at = T0
    for record in records:
        if isinstance(record, int):
            at += record
        else:
            log.append(Message(record, 3 + len(log), at))
            at += step
    return log


def lived(log: Sequence[Message]) -> World:
    """What becomes of the log in one life."""
    world = World()
    world.live(log, [(len(log), False)])
    return world


def completed(world: World) -> list[RecordingCompleted]:
    """The recordings that were completed, each once, in order."""
    told = [each for each in world.told if isinstance(each, RecordingCompleted)]
    return list({each.recording_id: each for each in told}.values())


def payloads(world: World, done: RecordingCompleted) -> Counter[bytes]:
    """The frames of the left track that can be heard."""
    left = world.audio[done.recording_id][HEADER_SIZE::2]
    pieces = (left[at : at + 160] for at in range(0, len(left), 160))
    return Counter(piece for piece in pieces if piece.strip(b"\xff"))


NEXT = GatewayStarted(GATEWAY, EPOCH + 1, T0)
TICK = GatewayAlive("gateway-1", 1, T0)


def test_audio_of_a_complete_recording_becomes_a_supplement():
    """The first recording stays as it was; the supplement has its own INUM, begins with its first
    frame, and names the first."""
    first = [opened("MZ1"), batch(1), batch(2), closed("MZ1")]
    late = [batch(3), batch(4), NEXT]
    before = lived(log_of(*first))
    world = lived(log_of(*first, 65 * 60_000, *late))
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
    world = lived(log_of(*first, lateness, *first, batch(2), batch(3), batch(3), batch(1), NEXT))
    main, supplement = completed(world)
    assert (8, 4) == (main.received, supplement.received)
    assert (0, 0) == (main.duplicate, supplement.duplicate)


def test_a_supplement_ends_with_the_close_or_after_a_minute_of_silence():
    """By the log's clock; audio that comes after that is the next supplement."""
    first = [opened("MZ1"), batch(1), closed("MZ1")]
    world = lived(
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
    world = lived(log_of(*heard, SILENT_MS, TICK, 5 * 60_000, *spilled))
    main, supplement = completed(world)
    assert ("gateway-gone", "stop") == (main.reason, supplement.reason)
    assert (40, 0) == (main.received, main.lost)
    assert (4 * 189, 0) == (supplement.received, supplement.lost)


def test_a_stream_sid_that_is_used_under_another_task_is_its_own_recording():
    """At the same time and in the same second: neither touches the other."""
    mine = [opened("MZ1"), batch(1), batch(2), closed("MZ1")]
    theirs = [replace(each, task_sid="WT2", call_sid="CA2") for each in mine]
    mixed = [record for pair in zip(mine, theirs, strict=True) for record in pair]
    world = lived(log_of(*mixed, 2 * HOUR, *theirs[1:], replace(batch(3), task_sid="WT2"), NEXT))
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
    world = lived(log_of(*begun, SUPPLEMENT_SILENT_MS, TICK, *again, SUPPLEMENT_SILENT_MS, TICK))
    main, *supplements = completed(world)
    assert [8, 8, 8] == [each.received for each in (main, *supplements)]
    assert {main.inum} == {each.supplement_of for each in supplements}


def test_dropped_batches_of_a_complete_recording():
    """They are lost for the gateway's reason, once: in a supplement, even if it has no audio."""
    gone = dropped([batch(3), batch(4)])
    first = [opened("MZ1"), batch(1), batch(2), closed("MZ1")]
    world = lived(log_of(*first, 2 * HOUR, gone, gone, batch(5), NEXT))
    _, supplement = completed(world)
    assert (4, {"spill-full": 8}) == (supplement.received, supplement.lost_for)
    world = lived(log_of(*first, 2 * HOUR, gone, closed("MZ1"), gone))
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


# Any history


@st.composite
def late_logs(draw: st.DrawFn) -> list[Message]:
    """Generate one to three media streams, of one or two tasks and gateways. Their batches come in
    order, but in pieces that may be repeated, with closes and silences of any length between
    them."""
    records: list[Any] = []
    gone = draw(st.sets(st.integers(1, 12), max_size=3))  # a batch is dropped, or sent, for good
    for sid in draw(st.lists(st.sampled_from(["MZ1", "MZ2"]), min_size=1, max_size=3)):
        task = draw(st.sampled_from(["WT1", "WT2"]))
        gateway = draw(st.sampled_from([GATEWAY, "gateway-1"]))
        whose = {"task_sid": task, "gateway": gateway}
        if draw(st.booleans()):
            records.append(replace(opened(sid), **whose))
        number, last = 1, draw(st.integers(1, 12))
        while number <= last:
            count = 1 if number in gone else draw(st.integers(1, 4))
            numbers = range(number, min(number + count, last + 1))
            piece: list[Any] = [batch(n, sid=sid, **whose) for n in numbers if n not in gone]
            if number in gone:
                piece = [replace(dropped([batch(number, sid=sid)]), **whose)]
            records += piece * draw(st.sampled_from([1, 1, 1, 2]))
            number += count
            records += draw(st.sampled_from([[], [], [replace(closed(sid), **whose)]]))
            records += draw(st.sampled_from([[], [], [], [61_000, TICK], [2 * HOUR, TICK]]))
    records += [5 * HOUR, TICK, 5 * HOUR, TICK]
    return log_of(*records)


def frames_sent(log: Sequence[Message]) -> Counter[tuple[str, str, bytes]]:
    """Each frame of the left track that a gateway published, once: task, stream SID, payload."""
    taken: set[tuple[str, ...]] = set()
    frames: Counter[tuple[str, str, bytes]] = Counter()
    for record in (message.record for message in log):
        if not isinstance(record, MediaBatch):
            continue
        batch_id = (record.task_sid, record.stream_sid, record.gateway, str(record.number))
        if batch_id in taken:
            continue
        taken.add(batch_id)
        audio = record.tracks[0].audio
        for at in range(0, len(audio), 160):
            frames[record.task_sid, record.stream_sid, audio[at : at + 160]] += 1
    return frames


@given(late_logs())
def test_each_frame_is_in_one_recording_of_its_task_and_stream(log):
    """None is lost, none is there twice, whatever comes late, again, or from two gateways."""
    world = lived(log)
    found: Counter[tuple[str, str, bytes]] = Counter()
    for done in completed(world):
        for payload, count in payloads(world, done).items():
            found[done.task_sid, done.stream_sid, payload] += count
    assert frames_sent(log) == found


@given(late_logs())
def test_every_recording_is_announced_and_accounts_for_itself(log):
    """What began ended, under one id; a supplement names a recording of its stream; and manifests
    of recordings that one gateway took in are what a reader of the log finds."""
    world = lived(log)
    done = completed(world)
    began = [each for each in world.told if isinstance(each, RecordingStarted)]
    assert sorted(each.recording_id for each in began) == sorted(d.recording_id for d in done)
    for each in done:
        mains = [d for d in done if not d.supplement_of and d.stream_sid == each.stream_sid]
        assert not each.supplement_of or each.supplement_of in {d.inum for d in mains}
        manifest = world.manifest(each.recording_id)
        first, last = (manifest["kafka"][word] for word in ("first_offset", "last_offset"))
        own = [
            (m.offset, m.record)
            for m in log
            if first <= m.offset <= last
            and isinstance(m.record, MediaBatch | MediaDropped)
            and (m.record.task_sid, m.record.stream_sid) == (each.task_sid, each.stream_sid)
            and m.record.gateway == manifest["gateway"]["instance"]
        ]
        if not each.supplement_of:
            verify(world.audio[each.recording_id], manifest, own)


rounds = st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=30)


@settings(max_examples=examples(100))
@given(late_logs(), st.lists(st.tuples(st.integers(0, 25), rounds), max_size=5), rounds)
def test_kills_change_nothing(log, lives, last):
    """Killed at any step, any number of times: the same recordings as in one life."""
    world = World()
    world.live_in_spite_of_kills(log, lives, last)
    whole = lived(log)
    assert whole.audio == world.audio
    assert whole.manifests == world.manifests
    assert set(whole.told) == set(world.told)


@given(late_logs(), st.data())
def test_a_replay_of_any_part_changes_nothing(log, data):
    """The committed offset may fall back to any earlier one."""
    world = lived(log)
    before = (dict(world.audio), dict(world.manifests), set(world.told))
    world.committed = data.draw(st.sampled_from(log)).offset
    world.live(log, [(1000, False)])
    assert before == (world.audio, world.manifests, set(world.told))


def test_checkpoints_survive_their_bytes():
    """What a fold remembers of complete recordings is in its checkpoints, as written."""
    world = lived(log_of(opened("MZ1"), batch(1), closed("MZ1")))
    (value,) = world.checkpoints.values()
    fold = PartitionFold([decode(value)])
    assert [Ignored("in a complete recording")] == fold.handle(batch(1), 10, T0)
