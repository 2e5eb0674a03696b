"""`flexcapture derive compare`: read both sides, one partition at a time. I/O; it only reads."""

from collections import defaultdict
from collections.abc import Callable

from cli.derive.beginning import DeriveRefused
from cli.derive.comparison import (
    CALLS,
    CONTACTS,
    DECISIONS,
    Comparison,
    ComparisonLimits,
    KnownRecords,
)
from cli.derive.topics import PROGRESS
from cli.derive.writer import read_progress
from pipeline.runtime.log_reader import Log
from pipeline.runtime.settings import Settings
from schemas import topics
from schemas.codec import Undecodable, decode, type_of
from schemas.records import DerivationProgress
from schemas.topics import CALL_PARTITIONS, Topic

ProgressLine = Callable[[str, int, int], None]
"""See `log_reader.Progress`."""

_COMPARED: dict[str, tuple[Topic, str]] = {
    CALLS: (topics.CALLS, "Call"),
    DECISIONS: (topics.STREAM_EVENTS, "RecordingDecided"),
    CONTACTS: (topics.CONTACTS, "Contact"),
}
_MADE_BY = {"tracker": CALLS, "stream-manager": DECISIONS, "consolidator": CONTACTS}


async def compare(
    live: Settings, target: Settings, shown: ProgressLine
) -> tuple[DerivationProgress, Comparison]:
    """Compare a derivation with the live topics. Raise `DeriveRefused` if there is none with the
    prefix of `target`, or nothing is derived yet; and the errors of aiokafka."""
    progress = await needed_progress(target)
    made = tuple(_MADE_BY[role] for role in progress.roles if role in _MADE_BY)
    limits = ComparisonLimits(progress.complete_from, progress.clock, made)
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
    """Return the progress of the derivation. Raise `DeriveRefused` if there is none."""
    log = Log(target, lambda *_: None)
    try:
        await log.start()
        exists = await log.has(PROGRESS)
    finally:
        await log.stop()
    progress = await read_progress(target) if exists else None
    if progress is None:
        raise DeriveRefused(f"there is no derivation with the prefix {target.topic_prefix}")
    return progress


async def _partition(
    log: Log, number: int, made: tuple[str, ...], since: int | None
) -> defaultdict[str, KnownRecords]:
    found: defaultdict[str, KnownRecords] = defaultdict(KnownRecords)
    compared = [_COMPARED[name] for name in made]
    present = [topic for topic, _ in compared if await log.has(topic)]
    wanted = frozenset(kind for _, kind in compared)
    async for record in log.read_all([await log.span(t, number, since=since) for t in present]):
        if record.key is None or record.value is None or type_of(record.value) not in wanted:
            continue
        try:
            key, decoded = record.key.decode(), decode(record.value)
        except (Undecodable, UnicodeDecodeError):
            continue  # the live roles pass such a record over, with a dead letter
        found[key].take(decoded, record.timestamp)
    return found
