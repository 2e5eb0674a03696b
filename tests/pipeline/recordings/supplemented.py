"""Logs with late audio, for tests."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from schemas.records import (
    GatewayAlive,
    MediaBatch,
    RecordingCompleted,
)
from tests.pipeline.recordings.logs import (
    T0,
    Frame,
    Message,
    batch_of,
)
from tests.pipeline.recordings.world import World

TRACKS = ("inbound", "outbound")
HOUR = 60 * 60_000


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


def world_of(log: Sequence[Message]) -> World:
    """What becomes of the log in one life."""
    world = World()
    world.live(log, [(len(log), False)])
    return world


def completed(world: World) -> list[RecordingCompleted]:
    """The recordings that were completed, each once, in order."""
    reports = [each for each in world.published if isinstance(each, RecordingCompleted)]
    return list({each.recording_id: each for each in reports}.values())


TICK = GatewayAlive("gateway-1", 1, T0)
