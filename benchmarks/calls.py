"""The records for the topics: the simulator's events, and media as a gateway writes it."""

import json
import os
from collections.abc import Iterator
from random import Random

from pipeline.kinesis.messages import KinesisRecord, SizeLimits, messages_of
from pipeline.kinesis.shard_ref import Place
from schemas.records import MediaBatch, MediaStreamClosed, MediaStreamOpened, Run, TrackBatch
from schemas.topics import CTI_EVENTS
from simulator.cases import PLAIN, scripts
from simulator.events import Account
from simulator.script import EventSent

BATCH_S = 0.5
_FRAMES, _STEP, _SIZE = 25, 20, 160
_AUDIO = tuple(os.urandom(_FRAMES * _SIZE) for _ in range(32))
_GATEWAY = "gateway-bench"

MediaRecord = MediaStreamOpened | MediaBatch | MediaStreamClosed
KeyAndValue = tuple[bytes, bytes]


def kinesis_records(count: int, now: int) -> list[KinesisRecord]:
    """Return events of all the simulator's cases, with overlapping calls, as Kinesis records."""
    account = Account("AC" + "0" * 32, "WS" + "0" * 32)
    events: list[tuple[int, str]] = []
    for seed in range(count):  # never so many: each turn gives a few hundred
        for script in scripts(PLAIN, now, 100, account, Random(seed).getrandbits(63)):
            steps = ((step.at, step.action) for step in script.steps)
            events += [(at, json.dumps(a.event)) for at, a in steps if isinstance(a, EventSent)]
        if len(events) >= count:
            break
    events.sort()
    return [
        KinesisRecord(str(10**20 + number), at, text.encode())
        for number, (at, text) in enumerate(events[:count])
    ]


def cti_events(count: int, now: int) -> list[KeyAndValue]:
    """Return the records of `cti.events` that a bridge makes of `count` Kinesis records."""
    place = Place("bench", 0, "shard-0")
    return [
        (message.key or b"", message.value)
        for record in kinesis_records(count, now)
        for message in messages_of(place, record, SizeLimits(), now)
        if message.topic == CTI_EVENTS.name
    ]


def media(calls: int, seconds: float, now: int, first: int = 0) -> Iterator[MediaRecord]:
    """Yield the media streams, interleaved, of `calls` calls that begin and end together. Their
    SIDs count from `first`."""
    batches = round(seconds / BATCH_S)
    sids = [f"{number:032x}" for number in range(first, first + calls)]
    yield from (_opened(sid, now) for sid in sids)
    for number in range(1, batches + 1):
        at = now + round(number * BATCH_S * 1000)
        yield from (_batch(sid, number, at) for sid in sids)
    ends_at = now + round(seconds * 1000)
    yield from (_closed(sid, ends_at, batches) for sid in sids)


def waves(calls: int, at_once: int, seconds: float, now: int) -> Iterator[MediaRecord]:
    """Yield `calls` calls, `at_once` of them at a time: the next begin when these have ended."""
    for first in range(0, calls, at_once):
        sids = range(first, min(first + at_once, calls))
        yield from media(len(sids), seconds, now + 1_000 * first, first)


def _opened(sid: str, at: int) -> MediaStreamOpened:
    return MediaStreamOpened(
        f"MZ{sid}", f"CA{sid}", f"WT{sid}", f"b-{sid}", 1, _GATEWAY, epoch=1, at=at
    )


def _batch(sid: str, number: int, at: int) -> MediaBatch:
    first = (number - 1) * _FRAMES
    run = (Run(first * _STEP, _FRAMES, _STEP, _SIZE),)
    return MediaBatch(
        f"MZ{sid}",
        f"CA{sid}",
        f"WT{sid}",
        _GATEWAY,
        epoch=1,
        number=number,
        at=at,
        first_sequence=2 * first + 2,
        last_sequence=2 * (first + _FRAMES) + 1,
        tracks=(
            TrackBatch("inbound", run, 0, _AUDIO[number % 32]),
            TrackBatch("outbound", run, 0, _AUDIO[(number + 7) % 32]),
        ),
    )


def _closed(sid: str, at: int, batches: int) -> MediaStreamClosed:
    return MediaStreamClosed(
        f"MZ{sid}",
        f"CA{sid}",
        f"WT{sid}",
        f"b-{sid}",
        1,
        _GATEWAY,
        epoch=1,
        at=at,
        reason="stop",
        detail="",
        batches=batches,
        frames=2 * batches * _FRAMES,
        invalid=0,
    )
