"""Write derived records, the states of the roles and the progress in one transaction. I/O."""

import asyncio
from collections.abc import Iterator, Mapping

from aiokafka import AIOKafkaProducer

from cli.derive.network import Changes, Derived
from cli.derive.topics import PROGRESS, PROGRESS_KEY, STATE
from pipeline.runtime.kafka import partition_of, producer
from pipeline.runtime.log_reader import Log
from pipeline.runtime.settings import Settings
from schemas.codec import decode, encode
from schemas.records import DerivationProgress
from schemas.topics import Topic

TRANSACTIONAL_ID = "derive"
_TRANSACTION_MS = 60_000
_START_SECONDS = 30.0
_WRITE_SECONDS = 55.0  # less than _TRANSACTION_MS


class DerivationWriter:
    """The single writer of a derivation. Start it before you read the progress: from then on all
    other processes of the derivation are fenced, and their transactions are decided.

    `settings`: with the derivation's prefix.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer = producer(
            settings,
            source="derive",
            transactional_id=settings.prefixed(TRANSACTIONAL_ID),
            transaction_timeout_ms=_TRANSACTION_MS,
            linger_ms=5,
        )

    async def start(self) -> None:
        """Fence every other writer. Raise `TimeoutError` or `KafkaError`."""
        async with asyncio.timeout(_START_SECONDS):
            await self._producer.start()

    async def write(self, changes: Changes, progress: DerivationProgress) -> None:
        """Write all of it, or nothing. Raise `TimeoutError` or `KafkaError`; then the outcome is
        not known, and this writer must not be used any more."""
        async with asyncio.timeout(_WRITE_SECONDS):
            await self._producer.begin_transaction()
            sent = [await self._derived(each) for each in changes.records]
            sent += [
                await self._kept(STATE.name, f"{role}:{key}".encode(), value)
                for (role, key), value in changes.states.items()
            ]
            sent.append(await self._kept(PROGRESS.name, PROGRESS_KEY, encode(progress)))
            # A commit does not check that each message arrived.
            for result in await asyncio.gather(*sent, return_exceptions=True):
                if isinstance(result, BaseException):
                    raise result
            await self._producer.commit_transaction()

    async def close(self) -> None:
        """Disconnect."""
        await self._producer.stop()

    async def _derived(self, made: Derived) -> "asyncio.Future[object]":
        key = made.key.encode()
        future: asyncio.Future[object] = await self._producer.send(
            self._settings.prefixed(made.topic.name),
            encode(made.record),
            key,
            partition=partition_of(key, made.topic.partitions),
            timestamp_ms=made.at,
        )
        return future

    async def _kept(self, topic: str, key: bytes, value: bytes | None) -> "asyncio.Future[object]":
        future: asyncio.Future[object] = await self._producer.send(
            self._settings.prefixed(topic), value, key, partition=0
        )
        return future


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
