"""Late audio in any log: properties of supplements."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.media.wav import HEADER_SIZE
from pipeline.recordings import assembler
from pipeline.recordings.effects import Ignored
from pipeline.recordings.partition import PartitionFold
from schemas.codec import decode
from schemas.records import (
    MediaBatch,
    MediaDropped,
    RecordingCompleted,
    RecordingStarted,
)
from tests.examples import examples
from tests.pipeline.recordings.logs import (
    GATEWAY,
    T0,
    Message,
    closed,
    dropped,
    opened,
)
from tests.pipeline.recordings.supplemented import HOUR, TICK, batch, completed, log_of, world_of
from tests.pipeline.recordings.verifier import verify
from tests.pipeline.recordings.world import World


@pytest.fixture(autouse=True, scope="module")
def _small_segments() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembler, "SEGMENT_BYTES", 1_000)
        yield


def payloads(world: World, done: RecordingCompleted) -> Counter[bytes]:
    """The frames of the left track that can be heard."""
    left = world.audio[done.recording_id][HEADER_SIZE::2]
    pieces = (left[at : at + 160] for at in range(0, len(left), 160))
    return Counter(piece for piece in pieces if piece.strip(b"\xff"))


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
    world = world_of(log)
    found: Counter[tuple[str, str, bytes]] = Counter()
    for done in completed(world):
        for payload, count in payloads(world, done).items():
            found[done.task_sid, done.stream_sid, payload] += count
    assert frames_sent(log) == found


@given(late_logs())
def test_every_recording_is_announced_and_accounts_for_itself(log):
    """What began ended, under one id; a supplement names a recording of its stream; and manifests
    of recordings that one gateway took in are what a reader of the log finds."""
    world = world_of(log)
    done = completed(world)
    began = [each for each in world.published if isinstance(each, RecordingStarted)]
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
    undisturbed = world_of(log)
    assert undisturbed.audio == world.audio
    assert undisturbed.manifests == world.manifests
    assert set(undisturbed.published) == set(world.published)


@given(late_logs(), st.data())
def test_a_replay_of_any_part_changes_nothing(log, data):
    """The committed offset may fall back to any earlier one."""
    world = world_of(log)
    before = (dict(world.audio), dict(world.manifests), set(world.published))
    world.committed = data.draw(st.sampled_from(log)).offset
    world.live(log, [(1000, False)])
    assert before == (world.audio, world.manifests, set(world.published))


def test_checkpoints_survive_their_bytes():
    """What a fold remembers of complete recordings is in its checkpoints, as written."""
    world = world_of(log_of(opened("MZ1"), batch(1), closed("MZ1")))
    (value,) = world.checkpoints.values()
    fold = PartitionFold([decode(value)])
    assert [Ignored("in a complete recording")] == fold.handle(batch(1), 10, T0)
