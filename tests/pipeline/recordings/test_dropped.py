"""What a gateway had to throw away is lost for its reason, once, wherever it was."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.recordings.effects import Ignored, Refused
from pipeline.recordings.partition import PartitionFold
from schemas.records import (
    DroppedTrack,
    GatewayStarted,
    MediaBatch,
    MediaDropped,
    RecordingCompleted,
    Run,
)
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


def batch(number: int, tracks: tuple[str, ...] = TRACKS) -> MediaBatch:
    """The `number`-th half second."""
    first = 100 + 500 * (number - 1)
    frames = [Frame(track, first + 20 * n, b"x" * 160) for n in range(25) for track in tracks]
    return batch_of("MZ1", number, frames)


def manifest_of(*records: Any) -> Any:
    """The manifest of a recording, checked against the log."""
    log = [Message(record, 3 + n, T0 + 100 * n) for n, record in enumerate(records)]
    world = World()
    world.live(log, [(1, True)] * len(log))
    (done,) = [each for each in world.published if isinstance(each, RecordingCompleted)]
    found = world.manifest(done.recording_id)
    own = [(m.offset, m.record) for m in log if not isinstance(m.record, GatewayStarted)]
    verify(world.audio[done.recording_id], found, own)
    return found


def test_in_the_middle():
    """The hole has the gateway's reason; no number is missing."""
    found = manifest_of(opened("MZ1"), batch(1), dropped([batch(2)]), batch(3), closed("MZ1"))
    assert {"spill-full": 50} == found["lost_for"]
    assert (100, 50) == (found["frames"]["received"], found["frames"]["lost"])
    assert {"received": 2, "highest": 3, "missing": 0, "dropped": 1, "repeated": 0} == found[
        "batches"
    ]
    assert found["lost_at_end"] is None


def test_at_the_end():
    """Batches dropped at the end are lost too, and listed at the end; the audio ends with the last
    received frame."""
    records = [opened("MZ1"), batch(1), dropped([batch(2), batch(3)]), closed("MZ1")]
    found = manifest_of(*records)
    assert ({"spill-full": 100}, 600) == (found["lost_for"], found["audio"]["duration_ms"])
    at_end = found["lost_at_end"]
    assert (100, 1_600, "spill-full") == (at_end["frames"], at_end["until_ms"], at_end["reason"])
    hole = {"kind": "lost", "at": 4_800, "samples": 8_000, "frames": 50, "reason": "spill-full"}
    assert {"inbound": [hole], "outbound": [hole]} == at_end["tracks"]


def test_at_the_beginning():
    """The silence before the first frame of all is no loss, but frames dropped after it are."""
    found = manifest_of(opened("MZ1"), dropped([batch(1)]), batch(2), closed("MZ1"))
    assert {"spill-full": 50} == found["lost_for"]
    first, second, _ = found["segments"][0]["tracks"]["inbound"]["ranges"]
    assert ("silence", 800, "start") == (first["kind"], first["samples"], first["reason"])
    assert ("lost", 4_000, 25) == (second["kind"], second["samples"], second["frames"])


def test_all_of_it():
    """A recording of which nothing came is one without audio, and says so."""
    found = manifest_of(opened("MZ1"), dropped([batch(1), batch(2)]), closed("MZ1"))
    assert (0, {"spill-full": 100}) == (found["audio"]["samples"], found["lost_for"])


def test_its_opening_was_lost_too():
    """The recording begins with it."""
    found = manifest_of(dropped([batch(1)]), batch(2), closed("MZ1"))
    assert {"spill-full": 50} == found["lost_for"]
    assert 3 == found["kafka"]["first_offset"]


def test_beside_a_batch_that_is_missing_otherwise():
    """The hole has both reasons, each its own part; together they are the contract's count."""
    found = manifest_of(opened("MZ1"), batch(1), dropped([batch(3)]), batch(5), closed("MZ1"))
    assert {"batch-missing": 100, "spill-full": 50} == found["lost_for"]
    lost = [
        (piece["reason"], piece["samples"])
        for segment in found["segments"]
        for piece in segment["tracks"]["inbound"]["ranges"]
        if piece["kind"] == "lost"
    ]
    assert [("batch-missing", 4_000), ("spill-full", 4_000), ("batch-missing", 4_000)] == lost
    assert (2, 1) == (found["batches"]["missing"], found["batches"]["dropped"])


def test_of_one_track():
    """The other track continued in the same batches."""
    records = [opened("MZ1"), batch(1), dropped([batch(2, ("inbound",))]), batch(3), closed("MZ1")]
    found = manifest_of(*records)
    assert {"spill-full": 25, "not-sent": 25} == found["lost_for"]


def test_reported_twice_and_sent_after_all():
    """Neither is counted twice; a batch that was written after all is in its place."""
    gone = dropped([batch(2)])
    found = manifest_of(opened("MZ1"), batch(1), gone, gone, batch(2), batch(3), closed("MZ1"))
    assert ({}, 150) == (found["lost_for"], found["frames"]["received"])
    assert (1, 1) == (found["batches"]["dropped"], found["batches"]["repeated"])


def test_then_the_gateway_died():
    """The dropped frames and those lost with the gateway are counted separately, and once each."""
    back = GatewayStarted(GATEWAY, EPOCH + 1, T0 + 2_600)
    found = manifest_of(opened("MZ1"), batch(1), dropped([batch(2)]), back)
    assert {"spill-full": 50, "gateway-died": 160} == found["lost_for"]
    assert ("gateway-died", 2_700) == (
        found["lost_at_end"]["reason"],
        found["lost_at_end"]["until_ms"],
    )


def test_a_gateway_that_is_back_at_once():
    """Media time counts from Twilio's beginning, not from the gateway's first report. All frames
    that may have been sent until the gateway was back are reported."""
    early = replace(batch(1), at=T0 + 100)  # 600 ms of media by then: it began before T0
    back = GatewayStarted(GATEWAY, EPOCH + 1, T0 + 200)
    found = manifest_of(opened("MZ1"), early, back)
    assert (10, 700) == (found["lost_at_end"]["frames"], found["lost_at_end"]["until_ms"])


def test_the_last_batch_is_missing_without_a_reason():
    """The gateway says how many it sent: those after the last that came are missing."""
    end = replace(closed("MZ1"), batches=3, frames=150, at=T0 + 1_500)
    found = manifest_of(opened("MZ1"), batch(1), end)
    assert (2, {"batch-missing": 100}) == (found["batches"]["missing"], found["lost_for"])
    assert "batch-missing" == found["lost_at_end"]["reason"]


def _folded(record: MediaDropped) -> list[Any]:
    fold, effects = PartitionFold(), []
    for offset, each in enumerate([opened("MZ1"), batch(1), record, closed("MZ1"), record]):
        effects += fold.handle(each, offset, T0)
    return effects


@pytest.mark.parametrize(
    "change",
    [
        {"reason": ""},
        {"reason": "start"},
        {"first_number": 0},
        {"first_number": 3},
        {"tracks": (DroppedTrack("inbound", (Run(90_000_001, 1, 0, 160),)),)},
        {"tracks": (DroppedTrack("inbound", (Run(0, 2, 0, 160),)),)},
    ],
)
def test_nonsense_is_refused_whole(change):
    """A dead letter, and the recording is as it was."""
    refused, ended = _folded(replace(dropped([batch(2)]), **change))[1:3]
    assert isinstance(refused, Refused)
    assert "malformed-batch" == refused.reason
    assert (0, None) == (ended.batches.dropped, ended.at_end)


def test_known_and_late():
    """A repeated report changes nothing, before and after the recording is complete."""
    _, ignored, _, late = _folded(dropped([batch(1)]))
    assert Ignored("dropped before") == ignored
    assert Ignored("in a complete recording") == late


def test_thrown_away_for_long_stays_small():
    """Any number of records about the same stretch make one entry."""
    fold = PartitionFold()
    fold.handle(opened("MZ1"), 0, T0)
    for number in range(1, 500):
        fold.handle(dropped([batch(number)]), number, T0)
    (checkpoint,) = fold.snapshots(1_000)
    assert [1, 1] == [len(track.dropped) for track in checkpoint.tracks]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("frames", "lost"), 49),
        (("lost_for", "spill-full"), 49),
        (("tracks", "inbound", "received"), 51),
        (("audio", "sha256"), "0" * 64),
        (("batches", "received"), 3),
        (("segments", 0, "sha256"), "0" * 64),
        (("segments", 0, "kafka", "last_offset"), 4),
        (("segments", 0, "tracks", "outbound", "ranges", 1, "at"), 801),
        (("segments", 0, "tracks", "outbound", "ranges", 2, "reason"), "not-sent"),
        (("segments", 0, "tracks", "outbound", "ranges", 3, "timestamp"), 1_101),
    ],
)
def test_the_verifier_can_fail(path, value):
    """Whatever is changed in a manifest, it sees."""
    records = [opened("MZ1"), batch(1), dropped([batch(2)]), batch(3), closed("MZ1")]
    log = [Message(record, n, T0) for n, record in enumerate(records)]
    world = World()
    world.live(log, [(10, False)])
    ((inum, audio),) = world.audio.items()
    own = [(m.offset, m.record) for m in log]
    verify(audio, world.manifest(inum), own)
    changed = world.manifest(inum)
    *parents, last = path
    place = changed
    for key in parents:
        place = place[key]
    assert place[last] != value
    place[last] = value
    with pytest.raises(AssertionError):
        verify(audio, changed, own)
