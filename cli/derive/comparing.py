"""`flexcapture derive compare`: read both sides, one partition at a time. I/O; it only reads."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any

from cli.derive.beginning import Refused
from cli.derive.comparison import CALLS, CONTACTS, DECISIONS, Comparison, Known, Limits
from cli.derive.sources import ids_of
from cli.derive.topics import PROGRESS
from cli.derive.writer import read_progress
from pipeline.runtime.log_reader import Log
from pipeline.runtime.settings import Settings
from schemas import topics
from schemas.codec import Undecodable, decode
from schemas.records import DerivationProgress
from schemas.topics import CALL_PARTITIONS, Topic

Shown = Callable[[str, int, int], None]
"""See `log_reader.Progress`."""

_COMPARED: dict[str, tuple[Topic, str]] = {
    CALLS: (topics.CALLS, "Call"),
    DECISIONS: (topics.STREAM_EVENTS, "RecordingDecided"),
    CONTACTS: (topics.CONTACTS, "Contact"),
}
_MADE_BY = {"tracker": CALLS, "stream-manager": DECISIONS, "consolidator": CONTACTS}


async def compare(
    live: Settings, target: Settings, shown: Shown
) -> tuple[DerivationProgress, Comparison]:
    """Compare a derivation with the live topics. Raise `Refused` if there is none with the prefix
    of `target`, or nothing is derived yet; and the errors of aiokafka."""
    progress = await needed_progress(target)
    made = tuple(_MADE_BY[role] for role in progress.roles if role in _MADE_BY)
    limits = Limits(progress.complete_from, progress.clock, made)
    found = Comparison()
    sides = Log(live, shown), Log(target, shown)
    try:
        for side in sides:
            await side.start()
        for number in range(CALL_PARTITIONS):
            there, here = [await _partition(s, number, made, progress.since) for s in sides]
            for key in sorted({*there, *here}):
                found.add(key, there[key], here[key], limits)
    finally:
        for side in sides:
            await side.stop()
    return progress, found


async def needed_progress(target: Settings) -> DerivationProgress:
    """Return the progress of the derivation. Raise `Refused` if there is none."""
    log = Log(target, lambda *_: None)
    try:
        await log.start()
        exists = await log.has(PROGRESS)
    finally:
        await log.stop()
    progress = await read_progress(target) if exists else None
    if progress is None:
        raise Refused(f"there is no derivation with the prefix {target.topic_prefix}")
    return progress


async def _partition(
    log: Log, number: int, made: tuple[str, ...], since: int | None
) -> defaultdict[str, Known]:
    found: defaultdict[str, Known] = defaultdict(Known)
    for name in made:
        topic, kind = _COMPARED[name]
        if await log.has(topic):
            async for key, record in _records(log, topic, kind, number, since):
                found[key].take(record)
    return found


async def _records(
    log: Log, topic: Topic, kind: str, number: int, since: int | None
) -> AsyncIterator[tuple[str, Any]]:
    wanted = ids_of([kind])
    async for record in log.read(await log.span(topic, number, since=since)):
        if record.key is None or record.value is None or record.value[1:5] not in wanted:
            continue
        try:
            yield record.key.decode(), decode(record.value)
        except (Undecodable, UnicodeDecodeError):
            continue  # the live roles pass such a record over, with a dead letter
