"""A stop is final: audio received two seconds after it is not in the recording, and does not count
as lost."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.media.wav import HEADER_SIZE
from pipeline.recordings import assembler
from pipeline.recordings.keys import checkpoint_key
from pipeline.recordings.partition import PartitionFold
from schemas.records import (
    GatewayStarted,
    MediaBatch,
    RecordingCompleted,
    RecordingDecided,
    SequenceBreak,
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
    opened,
)
from tests.pipeline.recordings.world import World

REMEMBERED_MS = 26 * 60 * 60 * 1000
TRACKS = ("inbound", "outbound")
CLOCK_MS = 100
"""How exactly the time of a frame is known."""


@pytest.fixture(autouse=True, scope="module")
def _small_segments() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembler, "SEGMENT_BYTES", 20_000)
        yield


def decided(decision: str, at: int, task_sid: str = "WT1") -> RecordingDecided:
    """A decision, `at` ms after the media stream began."""
    return RecordingDecided(task_sid, T0 + at, decision, f"why {decision}", 1)


def batch(number: int, late_ms: int = 0, sid: str = "MZ1") -> MediaBatch:
    """The `number`-th half second, received as it was spoken, or so much later."""
    first = 500 * (number - 1)
    frames = [
        Frame(track, first + 20 * n, bytes([1 + number % 200, n, 1 + side, 7]) * 40)
        for n in range(25)
        for side, track in enumerate(TRACKS)
    ]
    return replace(batch_of(sid, number, frames), at=T0 + 500 * number + late_ms)


def world_of(
    records: Sequence[Any], rounds: Sequence[tuple[int, bool]] = ((1_000, False),)
) -> World:
    """What becomes of a log of these records."""
    world = World()
    world.live([Message(record, n, T0 + 100 * n) for n, record in enumerate(records)], rounds)
    return world


def only(world: World) -> tuple[RecordingCompleted, bytes, Any]:
    """Its recording: the announcement, the samples, the manifest."""
    completed = [e for e in world.published if isinstance(e, RecordingCompleted)]
    (done,) = {e.recording_id: e for e in completed}.values()
    audio = world.audio[done.recording_id][HEADER_SIZE:]
    return done, audio, world.manifest(done.recording_id)


def batches(first: int, last: int) -> list[MediaBatch]:
    """Half seconds from one to another."""
    return [batch(number) for number in range(first, last + 1)]


def test_the_end_is_cut_off():
    """Two seconds after the stop the audio ends; the rest counts as withheld, and why stands in the
    manifest."""
    records = [decided("record", -500), opened("MZ1"), *batches(1, 10)]
    records += [decided("stop", 5_000), *batches(11, 20), closed("MZ1")]
    done, audio, manifest = only(world_of(records))
    assert (700, 300, 0, 7_000) == (done.received, done.withheld, done.lost, done.duration_ms)
    assert 2 * 8 * 7_000 == len(audio)
    assert 0 == done.withheld_ms  # none of it is in the audio
    (span,) = manifest["withheld"]
    assert {"inbound": 150, "outbound": 150} == span["frames"]
    assert ("stop", "why stop") == (span["decision"]["decision"], span["decision"]["reason"])
    assert span["until"] is None
    assert [350, 350] == [track["received"] for track in manifest["tracks"].values()]


def test_silence_inside():
    """Between two seconds after a stop and the next `record`."""
    records = [opened("MZ1"), *batches(1, 4), decided("stop", 1_000), *batches(5, 10)]
    records += [decided("record", 4_000), *batches(11, 14), closed("MZ1")]
    done, audio, manifest = only(world_of(records))
    assert (7_000, 1_000) == (done.duration_ms, done.withheld_ms)
    assert (600, 100, 0) == (done.received, done.withheld, done.lost)
    assert b"\xff" * 16_000 == audio[2 * 8 * 3_000 : 2 * 8 * 4_000]
    assert 0xFF not in (audio[: 2 * 8 * 3_000] + audio[2 * 8 * 4_000 :])
    assert 8 * 3_000 == manifest["withheld"][0]["at"]


def test_a_decision_that_the_log_has_late():
    """Audio that was processed and stored before the decision arrived is withheld too."""
    records = [opened("MZ1"), *batches(1, 20), decided("stop", 5_000), closed("MZ1")]
    done, audio, _ = only(world_of(records))
    assert (700, 300) == (done.received, done.withheld)
    assert 0xFF not in audio


def test_nothing_of_a_stream_that_began_after_the_stop():
    """It is an empty recording that says why."""
    records = [decided("do-not-record", -5_000), opened("MZ1"), *batches(1, 3), closed("MZ1")]
    done, audio, _ = only(world_of(records))
    assert (0, 150, 0, b"") == (done.received, done.withheld, done.duration_ms, audio)


@pytest.mark.parametrize("decision", ["record", None])
def test_nothing_is_withheld_without_a_stop(decision):
    """A call without any decision is recorded, as one with `record` is."""
    first = [] if decision is None else [decided(decision, 0)]
    done, _, manifest = only(world_of([*first, opened("MZ1"), *batches(1, 3), closed("MZ1")]))
    assert (150, 0, []) == (done.received, done.withheld, manifest["withheld"])


def test_decisions_on_other_calls_do_not_matter():
    """Each call has its own."""
    records = [decided("stop", 0, "WT2"), opened("MZ1"), *batches(1, 10), closed("MZ1")]
    assert 0 == only(world_of(records))[0].withheld


def test_the_time_of_a_frame_is_when_the_gateway_received_it():
    """The time of receipt counts, not the time in the log, nor the place in the audio: frames that
    the network delivered 4 s late were received after the stop."""
    late = [batch(number, late_ms=4_000) for number in range(9, 12)]
    records = [opened("MZ1"), *batches(1, 8), decided("stop", 4_000), *late, closed("MZ1")]
    done, _, _ = only(world_of(records))
    assert (400, 150) == (done.received, done.withheld)


def test_lost_frames_in_withheld_time_are_not_lost():
    """Withheld frames cannot be lost; frames lost before are."""
    some = [each for each in batches(1, 20) if each.number not in (3, 17)]
    records = [opened("MZ1"), *some[:9], decided("stop", 5_000), *some[9:], closed("MZ1")]
    done, _, manifest = only(world_of(records))
    assert ({"batch-missing": 50}, 50) == (done.lost_for, done.lost)
    assert (650, 250) == (done.received, done.withheld)
    assert manifest["frames"]["lost"] == sum(manifest["lost_for"].values())


def test_supplements_withhold_too():
    """However late the audio comes, and through any gateway."""
    records = [opened("MZ1"), *batches(1, 8), closed("MZ1"), decided("stop", 4_000)]
    records += [*batches(9, 20), GatewayStarted(GATEWAY, EPOCH + 1, T0)]
    world = world_of(records)
    _, supplement = [each for each in world.published if isinstance(each, RecordingCompleted)]
    assert (200, 400) == (supplement.received, supplement.withheld)


def test_decisions_are_known_as_long_as_the_audio_may_come():
    """Days later a supplement withholds by what its recording was complete with; the decisions that
    are remembered by themselves are deleted after a day."""
    fold = PartitionFold()
    records = [decided("stop", -9_000), opened("MZ1"), batch(1), closed("MZ1")]
    effects = [e for n, r in enumerate(records) for e in fold.handle(r, n, T0)]
    kept: list[Any] = [effects[-1].checkpoint, *fold.snapshots(10)]
    assert 2 == len(kept)
    gone = fold.forget(10, T0 + REMEMBERED_MS + 1)
    assert [checkpoint_key(kept[1])] == gone
    later = T0 + 3 * REMEMBERED_MS
    for after in (fold, PartitionFold(kept[:1])):
        after.handle(batch(2), 10, later)
        (ended,) = after.handle(GatewayStarted(GATEWAY, EPOCH + 1, T0), 11, later)
        assert ["stop"] == [span.period.decision.decision for span in ended.spans]


def test_a_break_decides_between_not_sent_and_not_received():
    """A hole over which the sequence numbers run on is silence that Twilio did not send."""
    with_break = batch(5)
    with_break = replace(
        with_break,
        tracks=tuple(
            replace(track, breaks=(SequenceBreak(2_000, "not-received"),))
            for track in with_break.tracks
        ),
    )
    numbered = [replace(with_break, number=3), *(replace(batch(9), number=4),)]
    records = [opened("MZ1"), batch(1), batch(2), *numbered, closed("MZ1")]
    done, _, _ = only(world_of(records))
    assert {"not-received": 100, "not-sent": 150} == done.lost_for
    records[3] = replace(
        numbered[0],
        tracks=tuple(
            replace(t, breaks=(SequenceBreak(2_000, "undecodable"),)) for t in with_break.tracks
        ),
    )
    assert {"undecodable": 100, "not-sent": 150} == only(world_of(records))[0].lost_for


@st.composite
def stories(draw: st.DrawFn) -> list[Any]:
    """Half seconds, some late, some missing, with decisions anywhere in time and in the log."""
    count = draw(st.integers(1, 30))
    late = 0
    records: list[Any] = [opened("MZ1")]
    for number in range(1, count + 1):
        late = draw(st.sampled_from([late, late, late, 0, 900, 5_000]))
        if draw(st.integers(0, 6)):
            records.append(batch(number, late))
    for at in draw(st.lists(st.integers(-50, 300), max_size=5, unique=True)):
        word = draw(st.sampled_from(["record", "stop", "do-not-record"]))
        record = decided(word, 100 * at)
        records.insert(draw(st.integers(0, len(records))), record)
    return [*records, closed("MZ1")]


def fates(records: Sequence[Any], margin: int) -> Iterator[tuple[bytes, bool]]:
    """Yield each frame that is certain by more than `margin` ms: its payload, and whether it may be
    heard. By the contract, a frame must not be heard from 2 s after a stop until the next
    record."""
    taken = sorted(
        ((r.at, r.decision) for r in records if isinstance(r, RecordingDecided)),
    )
    for record in records:
        if not isinstance(record, MediaBatch):
            continue
        end = max(r.timestamp + (r.frames - 1) * r.step for t in record.tracks for r in t.runs)
        for track in record.tracks:
            (run,) = track.runs
            for n in range(run.frames):
                at = record.at - (end - run.timestamp - n * run.step)
                words = {may_be_heard(taken, at + d) for d in (-margin, 0, margin)}
                if len(words) == 1:
                    yield track.audio[160 * n : 160 * n + 160], words.pop()


def may_be_heard(taken: Sequence[tuple[int, str]], at: int) -> bool:
    """Whether a frame received at that time may be heard."""
    since: int | None = None
    for when, word in taken:
        if when > at:
            break
        if word == "record":
            since = None
        elif since is None:
            since = when
    return since is None or at < since + 2_000


@settings(max_examples=examples(150))
@given(stories())
def test_each_frame_is_heard_or_withheld_as_the_decisions_say(records):
    """Independent of segments, of the order in which decisions reach the log, and of lateness."""
    done, audio, manifest = only(world_of(records))
    sides = [audio[side::2] for side in (0, 1)]
    heard = {s[at : at + 160] for s in sides for at in range(0, len(s), 160)}
    for payload, may in fates(records, CLOCK_MS):
        assert may == (payload in heard)
    sent = sum(
        r.frames for b in records if isinstance(b, MediaBatch) for t in b.tracks for r in t.runs
    )
    assert sent == done.received + done.withheld
    assert done.withheld == manifest["frames"]["withheld"]
    assert done.withheld == sum(sum(span["frames"].values()) for span in manifest["withheld"])
    assert done.lost == sum(done.lost_for.values())
    assert min(done.lost_for.values(), default=0) >= 0


rounds = st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=30)


@settings(max_examples=examples(100))
@given(stories(), st.lists(st.tuples(st.integers(0, 25), rounds), max_size=5), rounds)
def test_kills_change_nothing(records, lives, last):
    """Killed at any step, any number of times: the same audio and manifests as in one life."""
    log = [Message(record, n, T0 + 100 * n) for n, record in enumerate(records)]
    world = World()
    world.live_in_spite_of_kills(log, lives, last)
    undisturbed = world_of(records)
    assert (undisturbed.audio, undisturbed.manifests) == (world.audio, world.manifests)
    assert set(undisturbed.published) == set(world.published)
