"""Frames that are missing after the last frames of a recording."""

from dataclasses import replace

import pytest

from pipeline.recordings import manifest
from pipeline.recordings.partition import PartitionFold
from schemas.records import GatewayStarted, MediaBatch
from tests.pipeline.recordings.logs import (
    EPOCH,
    GATEWAY,
    T0,
    Frame,
    batch_of,
    closed,
    opened,
    payload,
)
from tests.pipeline.recordings.test_withholding import batches, decided, only, world_of

FRAMES = [Frame("inbound", 100, payload(1, 160)), Frame("outbound", 110, payload(2, 160))]


def _fold(*records):
    fold, effects = PartitionFold(), []
    for offset, record in enumerate(records):
        effects += fold.handle(record, offset, T0)
    return fold, effects


def _one_track(*timestamps: int) -> MediaBatch:
    return batch_of("MZ1", 1, [Frame("inbound", t, b"x" * 160) for t in timestamps])


@pytest.mark.parametrize(
    ("heard", "back_after_ms", "lost"),
    [
        (True, 1_100, 2 * 40),  # each track was heard up to 300 ms
        (True, 200, 0),
        (True, 3_600_000, 2 * 110),  # until 2 s after the last batch, which came at 500 ms
        (False, 1_000, 2 * 50),
    ],
)
def test_what_a_dead_gateway_took_with_it_is_counted(heard, back_after_ms, lost):
    """Both tracks, from the last frame to the gateway's return, within a limit."""
    tracks = ("inbound", "outbound")
    frames = [Frame(track, 100 + 20 * n, b"x" * 160) for n in range(10) for track in tracks]
    story = [opened("MZ1"), *([batch_of("MZ1", 1, frames)] if heard else [])]
    fold, _ = _fold(*story)

    (ended,) = fold.handle(GatewayStarted(GATEWAY, EPOCH + 1, T0 + back_after_ms), 5, T0)
    assert lost == ended.at_end.frames
    assert lost == manifest.completed(ended, 0, "").lost


def test_a_side_that_was_never_heard_loses_nothing_with_the_gateway():
    """Beside one that was heard: the call had only one side."""
    fold, _ = _fold(opened("MZ1"), _one_track(100, 120))
    (ended,) = fold.handle(GatewayStarted(GATEWAY, EPOCH + 1, T0 + 1_000), 5, T0)
    inbound, outbound = ended.at_end.tracks
    assert (140 * 8, 43) == (inbound.at, sum(hole.lost for hole in inbound.holes))
    assert (0, ()) == (outbound.at, outbound.holes)
    assert (1_000, "gateway-died") == (ended.at_end.until_ms, ended.at_end.reason)


@pytest.mark.parametrize(("silent_ms", "lost"), [(999, None), (5_000, 269 + 268)])
def test_a_socket_that_was_dead_before_it_was_dropped(silent_ms, lost):
    """Frames that may have been lost with the socket are reported and counted. If the socket was
    active until its end, no lost frames can be known."""
    end = replace(closed("MZ1"), reason="dropped", at=T0 + 500 + silent_ms)
    records = [opened("MZ1"), batch_of("MZ1", 1, FRAMES), end]
    _, effects = _fold(*records)
    assert lost == (effects[-1].at_end and effects[-1].at_end.frames)


@pytest.mark.parametrize(("batches_sent", "lost"), [(1, None), (2, 19 + 18)])
def test_a_batch_that_is_missing_at_the_end(batches_sent, lost):
    """The gateway counts the batches that it wrote. If all are there, nothing is missing."""
    end = replace(closed("MZ1"), batches=batches_sent, at=T0 + 500)
    _, effects = _fold(opened("MZ1"), batch_of("MZ1", 1, FRAMES), end)
    assert lost == (effects[-1].at_end and effects[-1].at_end.frames)


def test_a_loss_at_the_end_does_not_count_if_the_end_is_withheld():
    """It does if recording was allowed again before the gateway died."""
    begun = [decided("record", -500), opened("MZ1"), *batches(1, 4), decided("stop", 1_000)]
    death = GatewayStarted(GATEWAY, EPOCH + 1, T0 + 6_000)
    again = only(world_of([*begun, decided("record", 4_000), *batches(5, 10), death]))[0]
    assert (100, 100) == (again.withheld, again.lost_at_end)
    stopped = only(world_of([*begun, *batches(5, 10), death]))[0]
    assert (200, 0) == (stopped.withheld, stopped.lost_at_end)


def test_withheld_audio_after_a_missing_batch_leaves_the_audio_before_it():
    """The audio ends with the last frame that is kept."""
    first = [decided("record", -3_500), decided("stop", -900), opened("MZ1")]
    done = only(world_of([*first, *batches(1, 2), *batches(4, 6), closed("MZ1")]))[0]
    assert (1_000, 100, 150) == (done.duration_ms, done.received, done.withheld)
