"""Read the dead letters, and the marks of those that were put back. I/O."""

from collections.abc import Collection
from dataclasses import replace

import structlog

from cli.dead_letters.letter import Letter, is_of
from pipeline.runtime.kafka import consumer
from pipeline.runtime.log_reader import Log, ProgressPrinter
from pipeline.runtime.settings import Settings
from schemas.codec import Undecodable, decode
from schemas.records import DeadLetterRetried
from schemas.topics import DEAD_LETTERS, DEAD_LETTERS_RETRIED

logger = structlog.get_logger(__name__)

CLOCKS_APART_MS = 60_000


async def read_letters(
    settings: Settings, since: int | None = None, partitions: Collection[int] | None = None
) -> tuple[Letter, ...]:
    """Return the dead letters of these partitions (None: all) from the log time `since` (ms) on, or
    a little earlier, each with the mark of its last retry. Raise `LookupError` if the topic does
    not exist, and aiokafka's errors if Kafka is unavailable."""
    numbers = sorted(range(DEAD_LETTERS.partitions) if partitions is None else partitions)
    start = None if since is None else max(0, since - CLOCKS_APART_MS)
    log = Log(settings, ProgressPrinter())
    await log.start()
    try:
        present = await _topics(settings)
        name = settings.prefixed(DEAD_LETTERS.name)
        if name not in present:
            raise LookupError(f"there is no topic {name} in this Kafka")
        found = [each for n in numbers for each in await _letters(log, n, start)]
        marks: list[DeadLetterRetried] = []
        if settings.prefixed(DEAD_LETTERS_RETRIED.name) in present:  # else there was no retry yet
            marks = [each for n in numbers for each in await _marks(log, n, start)]
    finally:
        await log.stop()
    latest = {(mark.partition, mark.offset): mark for mark in marks}
    return tuple(_marked(letter, latest.get(letter.id)) for letter in found)


async def _topics(settings: Settings) -> frozenset[str]:
    # aiokafka waits 40 s for the offsets of a topic that does not exist.
    async with consumer(settings) as asked:
        return frozenset(await asked.topics())


def _marked(letter: Letter, mark: DeadLetterRetried | None) -> Letter:
    return replace(letter, retried=mark) if mark is not None and is_of(mark, letter) else letter


async def _letters(log: Log, number: int, since: int | None) -> list[Letter]:
    found = []
    async for record in log.read(await log.span(DEAD_LETTERS, number, since=since)):
        try:
            letter = decode(record.value)
        except Undecodable as error:
            logger.warning(
                "not a dead letter; skipped", at=f"{number}-{record.offset}", error=str(error)
            )
            continue
        headers = dict(record.headers)
        found.append(Letter((number, record.offset), record.timestamp, headers, letter))
    return found


async def _marks(log: Log, number: int, since: int | None) -> list[DeadLetterRetried]:
    span = await log.span(DEAD_LETTERS_RETRIED, number, since=since)
    return [decode(record.value) async for record in log.read(span)]
