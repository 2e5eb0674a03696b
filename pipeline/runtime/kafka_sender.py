"""aiokafka's producer, changed to serve the other partitions while one has no leader."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaProducer


def keep_partitions_apart(made: AIOKafkaProducer) -> None:
    """Keep a partition without a leader from blocking the others.

    aiokafka fails a batch that has waited for a leader for the request time-out. Its sequence
    numbers are used up by then, so the broker refuses all later batches of the partition. Here
    batches wait. And while a leader is missing, aiokafka sends nothing on any partition until the
    metadata is refreshed. Here it also sends when a batch is ready.
    """
    made._message_accumulator._batch_ttl = float("inf")  # noqa: SLF001
    made._sender.client = _SenderClient(made)  # noqa: SLF001


class _SenderClient:
    """A producer's client, as its sender sees it."""

    def __init__(self, made: AIOKafkaProducer) -> None:
        self._client = made.client
        self._accumulator = made._message_accumulator  # noqa: SLF001

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def force_metadata_update(self) -> asyncio.Future[Any]:
        """Refresh the metadata. The future is done after that, or when there is a batch to send."""
        refreshed = self._client.force_metadata_update()
        either: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def done(future: asyncio.Future[Any]) -> None:
            if not either.done():
                either.set_result(None if future.cancelled() else future.result())

        refreshed.add_done_callback(done)
        self._accumulator.waiter().add_done_callback(done)
        return either
