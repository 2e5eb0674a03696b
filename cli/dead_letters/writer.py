"""Put dead letters back: write a letter's records, and the mark of its retry, in one transaction.
I/O."""

import asyncio

from cli.dead_letters.letter import Letter, key_of
from cli.dead_letters.retrying import LetterRetry, Put
from cli.transactional_writer import TransactionalWriter, TransactionLimits
from pipeline.runtime.kafka import TRANSACTION_TIMEOUT_MS
from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.records import DeadLetterRetried
from schemas.topics import DEAD_LETTERS_RETRIED

TRANSACTIONAL_ID = "dead-letters-retry"
_LIMITS = TransactionLimits(TRANSACTION_TIMEOUT_MS, start_s=15.0, write_s=4.5)


class RetryWriter(TransactionalWriter):
    """The single writer of retries. Start it before you read the marks."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, "dead-letters", TRANSACTIONAL_ID, _LIMITS, linger_ms=0)

    async def write(self, letter: Letter, retry: LetterRetry, now: int) -> None:
        """Write the records with the mark, or nothing. Raise `TimeoutError` or `KafkaError`; then
        the outcome is not known, and this writer must not be used any more."""
        async with self._transaction() as sent:
            for put in retry.puts:
                sent.append(await self._put(put))
            sent.append(await self._mark(letter, retry, now))

    async def _put(self, put: Put) -> "asyncio.Future[object]":
        message = put.message
        return await self._send(
            message.topic,
            message.value,
            message.key,
            partition=put.partition,
            headers=message.headers,
        )

    async def _mark(self, letter: Letter, retry: LetterRetry, now: int) -> "asyncio.Future[object]":
        partition, offset = letter.id
        mark = DeadLetterRetried(
            partition, offset, letter.record.at, now, retry.outcome, len(retry.puts)
        )
        topic = DEAD_LETTERS_RETRIED.name
        return await self._send(topic, encode(mark), key_of(letter), partition=partition)
