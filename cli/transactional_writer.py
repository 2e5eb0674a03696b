"""Write records in transactions, as the only writer. I/O."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer

from pipeline.runtime.kafka import producer
from pipeline.runtime.settings import Settings

_CLOSE_S = 10.0


@dataclass(frozen=True, slots=True)
class TransactionLimits:
    """`transaction_ms`: the broker aborts a transaction after this time; `start_s`, `write_s`: the
    longest time (s) for the start of the writer and for one transaction. `write_s` must be shorter
    than `transaction_ms`."""

    transaction_ms: int
    start_s: float
    write_s: float


class TransactionalWriter:
    """The single writer with its transactional id. Start it before you read the topics that it
    writes: from then on all other writers are fenced, and their transactions are decided.

    `source`: the command, for the headers of CloudEvents; `transactional_id`: without the prefix.
    """

    def __init__(
        self,
        settings: Settings,
        source: str,
        transactional_id: str,
        limits: TransactionLimits,
        *,
        linger_ms: int,
    ) -> None:
        self._settings = settings
        self._limits = limits
        self._producer: AIOKafkaProducer = producer(
            settings,
            source=source,
            transactional_id=settings.prefixed(transactional_id),
            transaction_timeout_ms=limits.transaction_ms,
            linger_ms=linger_ms,
        )

    async def start(self) -> None:
        """Fence every other writer. Raise `TimeoutError` or `KafkaError`."""
        async with asyncio.timeout(self._limits.start_s):
            await self._producer.start()

    async def close(self) -> None:
        """Disconnect. Drop records that cannot be sent: aiokafka waits for them without a limit,
        also if their topic was deleted."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._producer.stop(), _CLOSE_S)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[list["asyncio.Future[Any]"]]:
        """Begin a transaction, and commit it after the block. The block appends the future of each
        record to the list. Raise `TimeoutError` or `KafkaError`; then the outcome is not known, and
        the writer must not be used any more."""
        async with asyncio.timeout(self._limits.write_s):
            await self._producer.begin_transaction()
            sent: list[asyncio.Future[Any]] = []
            yield sent
            # A commit does not check that each record arrived.
            for result in await asyncio.gather(*sent, return_exceptions=True):
                if isinstance(result, BaseException):
                    raise result
            await self._producer.commit_transaction()

    async def _send(self, topic: str, *arguments: Any, **options: Any) -> "asyncio.Future[Any]":
        """Queue a record on `topic` (without the prefix). `arguments`, `options`: as in aiokafka's
        `send`."""
        sent: asyncio.Future[Any] = await self._producer.send(
            self._settings.prefixed(topic), *arguments, **options
        )
        return sent
