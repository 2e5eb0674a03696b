"""Put dead letters back: write a letter's records, and the mark of its retry, in one transaction.
I/O."""

import asyncio

from aiokafka import AIOKafkaProducer

from cli.dead_letters.letter import Letter, key_of
from cli.dead_letters.retrying import LetterRetry, Put
from pipeline.runtime.kafka import TRANSACTION_TIMEOUT_MS, producer
from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.records import DeadLetterRetried
from schemas.topics import DEAD_LETTERS_RETRIED

TRANSACTIONAL_ID = "dead-letters-retry"
_START_SECONDS = 15.0
_WRITE_SECONDS = 4.5  # less than TRANSACTION_TIMEOUT_MS


class RetryWriter:
    """The single writer of retries. Start it before you read the marks: from then on all other
    retries are fenced, and their transactions are decided."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer = producer(
            settings,
            source="dead-letters",
            transactional_id=settings.prefixed(TRANSACTIONAL_ID),
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            linger_ms=0,
        )

    async def start(self) -> None:
        """Fence every other writer. Raise `TimeoutError` or `KafkaError`."""
        async with asyncio.timeout(_START_SECONDS):
            await self._producer.start()

    async def write(self, letter: Letter, retry: LetterRetry, now: int) -> None:
        """Write the records with the mark, or nothing. Raise `TimeoutError` or `KafkaError`; then
        the outcome is not known, and this writer must not be used any more."""
        async with asyncio.timeout(_WRITE_SECONDS):
            await self._producer.begin_transaction()
            sent = [await self._send(put) for put in retry.puts]
            sent.append(await self._mark(letter, retry, now))
            # A commit does not check that each message arrived.
            for result in await asyncio.gather(*sent, return_exceptions=True):
                if isinstance(result, BaseException):
                    raise result
            await self._producer.commit_transaction()

    async def _send(self, put: Put) -> "asyncio.Future[object]":
        message = put.message
        future: asyncio.Future[object] = await self._producer.send(
            self._settings.prefixed(message.topic),
            message.value,
            message.key,
            partition=put.partition,
            headers=message.headers,
        )
        return future

    async def _mark(self, letter: Letter, retry: LetterRetry, now: int) -> "asyncio.Future[object]":
        partition, offset = letter.id
        mark = DeadLetterRetried(
            partition, offset, letter.record.at, now, retry.outcome, len(retry.puts)
        )
        topic = self._settings.prefixed(DEAD_LETTERS_RETRIED.name)
        future: asyncio.Future[object] = await self._producer.send(
            topic, encode(mark), key_of(letter), partition=partition
        )
        return future

    async def close(self) -> None:
        """Disconnect."""
        await self._producer.stop()
