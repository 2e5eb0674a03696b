"""Any frames, any batches, any kills: one result, and it is the contract's."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.media.regular import RegularBatch, RegularReader
from pipeline.media.wav import HEADER_SIZE
from pipeline.recordings import assembler
from pipeline.recordings.beginnings import started
from pipeline.recordings.effects import Ignored, RecordingBegan, RecordingEnded, Refused
from pipeline.recordings.partition import PartitionFold
from pipeline.recordings.recording import Recording
from schemas.codec import encode
from schemas.records import MediaBatch, RecordingDecided, Run, Tick
from tests.examples import examples
from tests.pipeline.recordings.folded import FRAMES, completed, fold_all, message
from tests.pipeline.recordings.logs import (
    EPOCH,
    GATEWAY,
    T0,
    Frame,
    Story,
    batch_of,
    closed,
    of_stream,
    opened,
    payload,
    stories,
)
from tests.pipeline.recordings.verifier import verify
from tests.pipeline.recordings.world import World


@pytest.fixture(autouse=True, scope="module")
def _small_segments() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembler, "SEGMENT_BYTES", 1_000)
        yield


def _undisturbed(story: Story) -> World:
    world = World()
    world.live(story.messages, [(len(story.messages), False)])
    return world


@given(stories())
def test_audio_and_manifest_are_the_contract_s(story):
    """An independent reader of contract and log finds every sample and every frame at the place in
    the manifest, and the reports agree with the manifest."""
    world = _undisturbed(story)
    found = completed(world)
    assert story.frames.keys() == found.keys()
    for sid, done in found.items():
        manifest = world.manifest(done.recording_id)
        verify(world.audio[done.recording_id], manifest, of_stream(story.messages, sid))
        assert manifest["frames"] == {word: getattr(done, word) for word in manifest["frames"]}
        assert manifest["lost_for"] == done.lost_for
        assert (done.reason == "gateway-died") <= bool(manifest["lost_at_end"])
        assert story.invalid[sid] == done.invalid
        assert manifest["audio"]["duration_ms"] == done.duration_ms


rounds = st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=40)


@settings(max_examples=examples(150))
@given(stories(), st.lists(st.tuples(st.integers(0, 25), rounds), max_size=6), rounds)
def test_kills_change_nothing(story, lives, last):
    """Killed at any step, any number of times, and taken up again: the same audio, manifests and
    announcements as in one life, and no segment left."""
    world = World()
    world.live_in_spite_of_kills(story.messages, lives, last)
    undisturbed = _undisturbed(story)
    assert undisturbed.audio == world.audio
    assert undisturbed.manifests == world.manifests
    assert undisturbed.refused == world.refused
    assert set(undisturbed.published) == set(world.published)


@given(stories(), rounds)
def test_the_quick_way_and_the_other_agree(story, sizes):
    """Regular batches that are gathered, and cut off by snapshots anywhere, give what every record
    by itself gives: the same segments, checkpoints and manifests."""
    quick, slow = World(), World(quick=False)
    for world in (quick, slow):
        world.live(story.messages, [*sizes, (1000, True)])
    assert slow.published == quick.published
    assert (slow.audio, slow.manifests) == (quick.audio, quick.manifests)
    assert slow.checkpoints == quick.checkpoints
    assert slow.committed == quick.committed


def test_a_regular_call_goes_the_quick_way():
    """All but the opening, the close, and the first batch of each segment."""
    frames = [
        Frame(t, 100 + 20 * n, b"x" * 160) for n in range(100) for t in ("inbound", "outbound")
    ]
    batches = [batch_of("MZ1", 1 + n, frames[n * 4 : n * 4 + 4]) for n in range(50)]
    records = [opened("MZ1"), *batches, closed("MZ1")]
    world = World()
    world.live([message(r, n) for n, r in enumerate(records)], [(1000, False)])
    segments = len(world.manifest(completed(world)["MZ1"].recording_id)["segments"])
    assert 25 == segments - 1  # 1,280 bytes after two batches
    assert 25 == world.quickly


@given(stories(), st.data())
def test_a_suffix_delivered_again_changes_nothing(story, data):
    """A committed offset may fall back to any earlier one: the rest is read again, for nothing."""
    world = _undisturbed(story)
    before = (dict(world.audio), dict(world.manifests), set(world.published))
    world.committed = data.draw(st.sampled_from(story.messages)).offset
    world.live(story.messages, [(1000, False)])
    assert before == (world.audio, world.manifests, set(world.published))


@given(stories(), st.data())
def test_an_older_checkpoint_put_over_a_newer_one(story, data):
    """What a recorder that lost the partition wrote last does no harm: records are read again."""
    middle = data.draw(st.integers(0, len(story.messages)))
    world = World()
    world.live(story.messages[:middle], [(3, True)] * len(story.messages))
    old = dict(world.checkpoints)
    world.live(story.messages, [(3, True)] * len(story.messages))
    for sid in data.draw(st.sets(st.sampled_from(sorted(old)))) if old else ():
        world.checkpoints[sid] = old[sid]
    world.live(story.messages, [(1000, False)])
    undisturbed = _undisturbed(story)
    assert undisturbed.audio == world.audio
    assert undisturbed.manifests == world.manifests


def _recording(stream_sid: str, started_at: int) -> Recording:
    return Recording(
        stream_sid, f"CA{stream_sid}", "WT1", None, 0, GATEWAY, EPOCH, started_at, first_offset=7
    )


def test_opened_by_its_first_batch():
    """If the opening is lost, the recording begins with the first batch, at its time."""
    batch = batch_of("MZ1", 3, FRAMES)
    _, effects = fold_all(message(batch, 7), message(closed("MZ1"), 8))
    began, ended = effects
    whose = _recording("MZ1", batch.at)
    assert RecordingBegan(started(whose)) == began
    assert isinstance(ended, RecordingEnded)
    assert (1, 2) == (ended.recording.generation, ended.batches.missing)


def test_a_second_opening_is_ignored():
    """The recording continues unchanged."""
    _, effects = fold_all(message(opened("MZ1"), 0), message(opened("MZ1", T0 + 5_000), 1))
    assert Ignored("opened before") == effects[-1]


@pytest.mark.parametrize(
    "run",
    [Run(90_000_001, 1, 0, 160), Run(100, 2, 20, 160), Run(100, 1, 0, 0), Run(-1, 1, 0, 160)],
)
def test_a_malformed_batch_is_refused_whole(run):
    """Runs that cannot be leave the recording as it was."""
    good = batch_of("MZ1", 1, FRAMES)
    bad = batch_of("MZ1", 2, FRAMES[:1])
    object.__setattr__(bad.tracks[0], "runs", (run,))
    fold, effects = fold_all(message(opened("MZ1"), 0), message(good, 1), message(bad, 2))
    assert isinstance(effects[-1], Refused)
    assert "malformed-batch" == effects[-1].reason
    (ended,) = fold.handle(closed("MZ1"), 3, T0)
    assert (1, 2) == (ended.batches.count, sum(t.received for t in ended.tracks))


def test_a_record_that_does_not_belong_on_media_is_refused():
    """The error names the type of the record."""
    _, (refused,) = fold_all(message(Tick(1), 0))
    assert Refused("unexpected-record", "a Tick on media") == refused


def test_an_hour_of_silence_on_one_side():
    """A side that begins late, or is silent for long, costs no memory and moves nothing."""
    hour = 3_600_000
    messages = [
        message(opened("MZ1"), 0),
        message(batch_of("MZ1", 1, FRAMES), 1),
        message(batch_of("MZ1", 2, [Frame("inbound", hour, payload(3, 160))]), 2),
        message(closed("MZ1"), 3),
    ]
    world = World()
    world.live(messages, [(10, False)])
    done = completed(world)["MZ1"]
    audio = world.audio[done.recording_id]
    assert hour + 20 == done.duration_ms
    assert HEADER_SIZE + 2 * 8 * (hour + 20) == len(audio)
    assert payload(3, 160) == audio[HEADER_SIZE + 16 * hour :: 2]
    assert {0xFF} == set(audio[HEADER_SIZE + 16 * hour + 1 :: 2])


def test_a_stalled_recording_holds_back_nothing():
    """A checkpoint with its pending audio lets the committed offset pass; without one it stays."""
    fold, _ = fold_all(message(opened("MZ1"), 0), message(batch_of("MZ1", 1, FRAMES), 1))
    assert 0 == fold.safe_offset(50)
    assert [] == fold.snapshots(50, before=T0)
    (checkpoint,) = fold.snapshots(50, before=T0 + 1)
    assert (50, 1) == (checkpoint.offset, checkpoint.pending.batches)
    assert 50 == fold.safe_offset(50)


def test_audio_in_no_checkpoint_holds_back_the_commit(monkeypatch):
    """From the first record that is in none, also if regular batches follow it."""
    monkeypatch.setattr(assembler, "SEGMENT_BYTES", 10_000)
    frames = [Frame(t, 100 + 20 * n, b"x" * 160) for n in range(6) for t in ("inbound", "outbound")]
    batches = [batch_of("MZ1", 1 + n, frames[4 * n : 4 * n + 4]) for n in range(3)]
    fold, _ = fold_all(message(opened("MZ1"), 3), message(batches[0], 4))
    for offset in (5, 6):
        assert [] == fold.handle_regular(_regular(batches[offset - 4]), offset, T0)
        assert 3 == fold.safe_offset(50)
    fold.snapshots(7)
    assert 50 == fold.safe_offset(50)


def test_a_decision_in_no_checkpoint_holds_back_the_commit():
    """Also if nothing is recorded yet."""
    fold = PartitionFold()
    fold.handle(RecordingDecided("WT1", T0, "record", "why", 1), 3, T0)
    assert 3 == fold.safe_offset(50)
    fold.snapshots(50)
    assert 50 == fold.safe_offset(50)


def _regular(batch: MediaBatch) -> RegularBatch:
    found = RegularReader().read(encode(batch))
    assert found is not None
    return found
