"""Read the history of one call from Kafka: only its partition, and only the period in which it can
have records. I/O."""

from dataclasses import dataclass

import structlog

from cli.call.versions import KnownVersions, Logged, Version, held, known, versions
from pipeline.runtime.kafka import partition_of
from pipeline.runtime.log_reader import Log, Progress
from pipeline.runtime.settings import Settings
from schemas.codec import Undecodable, decode
from schemas.records import Call
from schemas.topics import CALLS, DEAD_LETTERS, RECORDINGS, STREAM_EVENTS, Topic

logger = structlog.get_logger(__name__)

CLOCKS_APART_MS = 60_000
"""How far the clocks of the producers' machines may differ."""

LONGEST_MS = 30 * 60 * 60 * 1000
"""The longest time (ms) between the first and the last version of a call: 24 hours, and 4 hours for
late events, with a margin."""


@dataclass(frozen=True, slots=True)
class History:
    """A call's history up to a moment: its versions, as far back as they were read, and the state
    that was known then."""

    versions: tuple[Version, ...]
    latest: KnownVersions


async def read_history(
    settings: Settings, task_sid: str, at: int | None, progress: Progress
) -> History | None:
    """Return the history of the call up to `at` (ms, log time). `at` None: up to now, with every
    version from the first. Return None if there was no such call.

    Raise `LookupError` if the topics do not exist, and aiokafka's errors if Kafka is unavailable.
    """
    log = Log(settings, progress)
    try:
        await log.start()
        if not await log.has(CALLS):
            raise LookupError(f"there is no topic {settings.prefixed(CALLS.name)} in this Kafka")
        return await _Reading(log, task_sid, at).history()
    finally:
        await log.stop()


@dataclass(frozen=True, slots=True)
class _Reading:
    log: Log
    task_sid: str
    at: int | None

    async def history(self) -> History | None:
        found = await self._versions()
        if not found:
            return None
        latest = found[-1]
        first = min(found[0].at, latest.call.first_event_at) - CLOCKS_APART_MS
        others: list[Logged[object]] = []
        for topic in (STREAM_EVENTS, RECORDINGS, DEAD_LETTERS):
            if await self.log.has(topic):
                others += await self._records(topic, max(first, 0))
        return History(found, known(latest, others))

    async def _versions(self) -> tuple[Version, ...]:
        if self.at is None:
            return versions(await self._calls(None))
        # Most requests are for a moment in the call's life. If not, all earlier records are read.
        since = max(0, self.at - LONGEST_MS)
        for start in (since, None):
            found = versions(await self._calls(start))
            version = held(found, self.at)
            if version is not None:
                return found[: found.index(version) + 1]
        return ()

    async def _calls(self, since: int | None) -> list[Logged[Call]]:
        records = await self._records(CALLS, since)
        return [Logged(r.at, r.record) for r in records if isinstance(r.record, Call)]

    async def _records(self, topic: Topic, since: int | None) -> list[Logged[object]]:
        key = self.task_sid.encode()
        until = None if self.at is None else self.at + CLOCKS_APART_MS
        number = partition_of(key, topic.partitions)
        wanted = await self.log.span(topic, number, since=since, until=until)
        found: list[Logged[object]] = []
        async for record in self.log.read(wanted):
            if record.key == key and (self.at is None or record.timestamp <= self.at):
                try:
                    found.append(Logged(record.timestamp, decode(record.value)))
                except Undecodable:
                    logger.exception(
                        "a record cannot be read", topic=topic.name, offset=record.offset
                    )
        return found
