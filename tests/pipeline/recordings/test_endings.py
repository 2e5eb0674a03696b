"""How recordings end, and the evidence of their ends."""

from collections.abc import Iterator

import pytest

from pipeline.media.wav import header
from pipeline.recordings import assembler
from pipeline.recordings.effects import Ignored
from schemas.records import GatewayAlive, GatewayStarted
from tests.pipeline.recordings.folded import FRAMES, completed, fold_all, message
from tests.pipeline.recordings.logs import EPOCH, GATEWAY, T0, batch_of, closed, opened
from tests.pipeline.recordings.world import World

SILENT_MS = 60 * 60 * 1000


@pytest.fixture(autouse=True, scope="module")
def _small_segments() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembler, "SEGMENT_BYTES", 1_000)
        yield


def test_no_frame_at_all_is_a_recording_too():
    """Opened and closed without audio: complete, 0 ms long, an empty WAV."""
    world = World()
    world.live([message(opened("MZ1"), 0), message(closed("MZ1"), 1)], [(10, False)])
    done = completed(world)["MZ1"]
    assert (0, 0, "stop") == (done.duration_ms, done.received, done.reason)
    assert header(0) == world.audio[done.recording_id]


def test_only_earlier_epochs_of_the_gateway_die():
    """The gateway's own media streams of earlier epochs end. Those of its present process and of
    other gateways continue."""
    fold, effects = fold_all(
        message(opened("MZ1"), 0),
        message(GatewayStarted(GATEWAY, EPOCH, T0), 1),
        message(GatewayStarted("gateway-1", EPOCH + 5, T0), 2),
    )
    assert 1 == len(effects)
    (ended,) = fold.handle(GatewayStarted(GATEWAY, EPOCH + 1, T0), 3, T0)
    assert "gateway-died" == ended.reason


def test_a_gateway_that_never_comes_back():
    """After an hour of log time without any record of the gateway, a recording is complete as it
    is. The record that shows this may belong to another media stream."""
    records = [opened("MZ1"), batch_of("MZ1", 1, FRAMES), opened("MZ2")]
    fold, _ = fold_all(*(message(record, n) for n, record in enumerate(records)))
    alive = GatewayAlive("gateway-1", 1, T0)
    assert [Ignored("alive")] == fold.handle(alive, 3, T0 + SILENT_MS)
    own = fold.handle(batch_of("MZ2", 1, FRAMES), 4, T0 + SILENT_MS + 1)
    assert ["gateway-gone"] == [effect.reason for effect in own]
    assert "MZ1" == own[0].recording.stream_sid
    assert T0 + 500 == own[0].ended_at
    assert own[0].at_end is None  # its gateway may come back with unsent frames
    assert [] == fold.handle(batch_of("MZ2", 2, FRAMES), 5, T0 + 2 * SILENT_MS + 1)
