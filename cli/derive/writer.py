"""Write derived records, the states of the roles and the progress in one transaction. I/O."""

import asyncio
from collections.abc import Iterator, Mapping

from cli.derive.network import Changes, Derived
from cli.derive.topics import PROGRESS, PROGRESS_KEY, STATE
from cli.transactional_writer import TransactionalWriter, TransactionLimits
from pipeline.runtime.kafka import partition_of
from pipeline.runtime.log_reader import Log
from pipeline.runtime.settings import Settings
from schemas.codec import decode, encode
from schemas.records import DerivationProgress
from schemas.topics import Topic

TRANSACTIONAL_ID = "derive"
_LIMITS = TransactionLimits(60_000, start_s=30.0, write_s=55.0)


class DerivationWriter(TransactionalWriter):
    """The single writer of a derivation. Start it before you read the progress.

    `settings`: with the derivation's prefix.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, "derive", TRANSACTIONAL_ID, _LIMITS, linger_ms=5)

    async def write(self, changes: Changes, progress: DerivationProgress) -> None:
        """Write all of it, or nothing. Raise `TimeoutError` or `KafkaError`; then the outcome is
        not known, and this writer must not be used any more."""
        async with self._transaction() as sent:
            for each in changes.records:
                sent.append(await self._derived(each))
            for (role, key), value in changes.states.items():
                sent.append(
                    await self._send(STATE.name, value, f"{role}:{key}".encode(), partition=0)
                )
            sent.append(
                await self._send(PROGRESS.name, encode(progress), PROGRESS_KEY, partition=0)
            )

    async def _derived(self, made: Derived) -> "asyncio.Future[object]":
        key = made.key.encode()
        return await self._send(
            made.topic.name,
            encode(made.record),
            key,
            partition=partition_of(key, made.topic.partitions),
            timestamp_ms=made.at,
        )


async def read_progress(settings: Settings) -> DerivationProgress | None:
    """Return the progress of the derivation with the settings' prefix; None if it has none. The
    topic must exist."""
    found = await _compacted(settings, PROGRESS)
    data = found.get(PROGRESS_KEY)
    if data is None:
        return None
    progress: DerivationProgress = decode(data)
    return progress


async def read_states(settings: Settings) -> Iterator[tuple[str, str, bytes]]:
    """Return the written states: role, key, encoded state."""
    found = await _compacted(settings, STATE)
    named = ((key.decode().partition(":"), value) for key, value in found.items())
    return ((role, key, value) for (role, _, key), value in named)


async def _compacted(settings: Settings, topic: Topic) -> Mapping[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    log = Log(settings, lambda *_: None)
    try:
        await log.start()
        for span in await log.spans(topic):
            async for record in log.read(span):
                if record.value is None:
                    found.pop(record.key, None)
                else:
                    found[record.key] = record.value
    finally:
        await log.stop()
    return found
