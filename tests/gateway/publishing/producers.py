"""Producers that fail as a test decides, and publishers on them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiokafka.errors import KafkaTimeoutError

from gateway.publishing.publisher import Publisher
from gateway.publishing.spill import Spills
from schemas import codec
from schemas.records import Tick


class FakeProducer:
    """A producer with answers that the test decides. `answer(record)`: None to accept, an error, or
    "later" for no answer. `sent`: the records in order."""

    def __init__(self, answer: Callable[[Tick], Exception | str | None], start_error=None) -> None:
        self.answer = answer
        self.start_error = start_error
        self.sent: list[int] = []
        self.stopped = False

    async def start(self) -> None:
        if self.start_error is not None:
            raise self.start_error

    async def stop(self) -> None:
        self.stopped = True

    async def send(self, topic, value, *, key, partition):
        tick = codec.decode(value)
        answer = self.answer(tick)
        if isinstance(answer, KafkaTimeoutError):
            await asyncio.sleep(0.001)
            raise answer
        self.sent.append(tick.at)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if isinstance(answer, Exception):
            future.set_exception(answer)
        elif answer is None:
            future.set_result(None)
        return future


@asynccontextmanager
async def writing(
    *producers: FakeProducer, limit: int = 10_000, spills: Spills | None = None
) -> AsyncIterator[Publisher]:
    """A publisher that takes these producers one after the other."""
    left = list(producers)
    publisher = Publisher(lambda: left.pop(0), limit=limit, spills=spills)
    task = asyncio.create_task(publisher.run())
    try:
        yield publisher
    finally:
        publisher.stop()
        async with asyncio.timeout(10):
            await task


def taken(_: Tick) -> None:
    return None
