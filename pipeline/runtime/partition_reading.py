"""Read the present records of some partitions of a compacted topic, which a role must know before
it takes up a partition. A topic may be large and a broker slow, so records that were read are kept,
and the time limit applies to silence and not to the whole."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from pipeline.runtime import kafka
from pipeline.runtime.kafka_answers import is_passing
from pipeline.runtime.settings import Settings
from pipeline.runtime.state_log import Lasting
from schemas.topics import Topic

SILENCE_S = 30.0
"""Reading ends if Kafka sends nothing for this long (s)."""
ENOUGH_S = 10.0
"""No further partition is begun after this time (s): the caller's round must end, to show that the
process is not stuck."""
READ_AGAIN_S = 5.0
"""Interval between attempts to read partitions if none could be read."""
_POLL_MS = 200


Take = Callable[[ConsumerRecord], None]


async def read_partitions(
    settings: Settings,
    topic: Topic,
    partitions: Collection[int],
    take: Take,
    *,
    said: Lasting,
    moved: Callable[[], None] = lambda: None,
) -> set[int]:
    """Pass all present records of these partitions to `take`, one partition after the other, in the
    order given. Return the partitions that were read to the end.

    The others have no leader, or were skipped after `ENOUGH_S` or after a failure that may pass;
    `said` then has the reason. Ask for them again, with a new `take`. `moved` is called whenever
    something arrived. Raise the errors that do not pass.
    """
    loop = asyncio.get_running_loop()
    begun, done = loop.time(), set[int]()
    names = [TopicPartition(settings.prefixed(topic.name), number) for number in partitions]
    try:
        async with asyncio.timeout(SILENCE_S) as limit, _started(settings) as source:

            def arrived() -> None:
                limit.reschedule(loop.time() + SILENCE_S)
                moved()

            for tp, span in (await _spans(source, names)).items():
                if done and loop.time() - begun >= ENOUGH_S:
                    break
                arrived()
                await _read(source, tp, span, take, arrived)
                done.add(tp.partition)
    except (KafkaError, OSError) as error:
        if not is_passing(error):
            raise
        said.lasts(loop.time(), repr(error))
    else:
        said.ends()
    return done


@asynccontextmanager
async def _started(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    source: AIOKafkaConsumer = kafka.consumer(settings)
    try:
        await source.start()
        yield source
    finally:
        await source.stop()


async def _spans(
    source: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, tuple[int, int]]:
    """Return the first offset and the end of each partition that has a leader, in their order."""
    wanted = await kafka.with_leader(source, partitions)
    if not wanted:
        return {}
    first, ends = await source.beginning_offsets(wanted), await source.end_offsets(wanted)
    return {tp: (first[tp], ends[tp]) for tp in partitions if tp in wanted}


async def _read(
    source: AIOKafkaConsumer,
    tp: TopicPartition,
    span: tuple[int, int],
    take: Take,
    arrived: Callable[[], None],
) -> None:
    first, end = span
    if first >= end:
        return
    source.assign([tp])
    source.seek(tp, first)
    while await source.position(tp) < end:
        for records in (await source.getmany(timeout_ms=_POLL_MS)).values():
            arrived()
            for record in records:
                take(record)


class ReadingOrder:
    """The order in which partitions are read, and when. Times are seconds of any monotonic clock.
    Pure.

    A partition that could not be read comes last: it does not hold up the others.
    """

    def __init__(self) -> None:
        self._failures: dict[int, int] = {}
        self._again_at = 0.0

    def forget(self) -> None:
        """Forget everything: other partitions are assigned."""
        self._failures.clear()
        self._again_at = 0.0

    def due(self, missing: Iterable[int], now: float) -> list[int]:
        """Return the partitions to read at `now`, in order; none if it is too early."""
        if now < self._again_at:
            return []
        return sorted(missing, key=lambda number: (self._failures.get(number, 0), number))

    def read(self, asked: list[int], found: Collection[int], now: float) -> None:
        """Note which of the partitions that were asked for could be read."""
        failed = [number for number in asked if number not in found]
        if failed and not found:
            self._failures[failed[0]] = self._failures.get(failed[0], 0) + 1
            self._again_at = now + READ_AGAIN_S
