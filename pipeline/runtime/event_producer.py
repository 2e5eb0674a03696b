"""A producer with which every record has the headers of CloudEvents. I/O."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer

from schemas.event_headers import EventHeaders, event_headers, source_of
from schemas.topics import CHANGELOG_SUFFIX


class EventProducer(AIOKafkaProducer):  # type: ignore[misc]
    """aiokafka's producer. `send` and `send_and_wait` add the headers of `schemas.event_headers` to
    those that they are given. A changelog's records have none: only the role itself reads them."""

    def __init__(self, source: str, **arguments: Any) -> None:
        """`source`: the role or command that writes. `arguments`: of aiokafka's producer."""
        super().__init__(**arguments)
        self._source = source_of(source)

    def send(  # noqa: PLR0917 - as it is in aiokafka
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Sequence[tuple[str, bytes]] | None = None,
    ) -> Coroutine[Any, Any, asyncio.Future[Any]]:
        """Queue a record, as aiokafka's `send` does. The coroutine returns the future of its
        metadata."""
        every = self.headers_of(topic, value, headers or ())
        sending: Coroutine[Any, Any, asyncio.Future[Any]] = super().send(
            topic, value, key, partition, timestamp_ms, every
        )
        return sending

    def headers_of(
        self, topic: str, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> EventHeaders:
        """Return `headers` with those of CloudEvents, for a record that is put into a batch."""
        if value is None or topic.endswith(CHANGELOG_SUFFIX):
            return list(headers)
        return [*headers, *event_headers(value, self._source)]
