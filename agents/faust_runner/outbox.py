"""Write the results of a Faust role: the outputs, then the table's changelog, then the offsets,
always in this order.

A core publishes a version only when the state changes. If the changed state were safe before its
outputs, a crash between the two would lose the outputs for good: the event, applied again, would
change nothing. So the changelog waits for the broker's confirmation of the outputs, and the offset
commit for that of the changelog. Steps are written in groups, so that they need not wait one by
one.

A record that the broker refuses for good (too large) becomes a dead letter, and the role continues.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.protocol.produce import ProduceRequest

from agents.faust_runner.sending import REFUSED, Sender, Sent, sent
from schemas.fast_dataclass import dataclass

log = structlog.get_logger(__name__)

_ROOM = 5_000
"""How many changes may be pending on all partitions together, stuck ones aside."""
_LANE_ROOM = 20_000
"""How many changes may be pending on a stuck partition before the role waits for it."""
PATIENCE_SECONDS = 1.0

BEHIND_SECONDS = 1.0
"""A role works through a backlog while its records are older than this (s)."""
_GATHERING_SECONDS = 0.1


class BrokenOutbox(ConnectionError):
    """The changes that were added may never become safe: commit nothing and start again."""


Refused = Callable[[str, Exception], Awaitable[None]]


async def _ends_the_role(_reason: str, error: Exception) -> None:
    raise error


@dataclass(frozen=True, slots=True)
class Change:
    """A table's new value for a key, and the records that must be safe before it.

    `refused` handles a record that the broker refuses for good, given a short fixed word and the
    error.
    """

    partition: int
    key: bytes
    value: bytes | None
    after: tuple[Sent, ...]
    refused: Refused = _ends_the_role


def gather(
    producer: AIOKafkaProducer,
    behind: Callable[[], bool],
    rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """From now on, pause for 100 ms after each produce request while the role is `behind`. The next
    request then holds more records: a request costs more than the records in it. Without a backlog
    there is no pause."""
    client = producer.client
    at_once = client.send

    async def send(node_id: int, request: Any, **options: Any) -> Any:
        response = await at_once(node_id, request, **options)
        if isinstance(request, ProduceRequest) and behind():
            await rest(_GATHERING_SECONDS)
        return response

    client.send = send


class Outbox:
    """Writes changes to the changelog, each after its outputs.

    `run` must be running. Once it has failed, every waiting call raises, so that no further offset
    is committed.

    Changes are written in groups over all partitions. If Kafka does not accept a change within a
    second, its partition is stuck: the change and all later ones of the partition leave the group
    for a lane, and wait there until Kafka has accepted them all.
    """

    def __init__(self, sender: Sender, changelog: str) -> None:
        self._sender = sender
        self._changelog = changelog
        self._waiting: deque[Change] = deque()
        self._lanes: dict[int, deque[Change]] = {}
        self._unsafe: Counter[int] = Counter()
        self._pending = 0  # the sum of `_unsafe`
        self._news = asyncio.Event()
        self._moved = asyncio.Event()
        self._failure: BaseException | None = None

    async def add(self, change: Change) -> None:
        """Add a change; wait while too many are pending. Changes of a key keep their order."""
        self.check()
        self._unsafe[change.partition] += 1
        self._pending += 1
        lane = self._lanes.get(change.partition)
        if lane is not None:
            lane.append(change)
        else:
            self._waiting.append(change)
            self._news.set()
        while self._failure is None and self._is_full(change.partition):
            await self._moved.wait()
        self.check()

    def check(self) -> None:
        """Raise `BrokenOutbox` if changes that were added may never become safe."""
        if self._failure is not None:
            raise BrokenOutbox("the outbox has failed") from self._failure

    async def drained(self, partitions: Collection[int]) -> frozenset[int]:
        """Return those of the partitions with every added change safe on the broker. Wait up to a
        second for the others."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while self._failure is None and not self._unsafe.keys().isdisjoint(partitions):
                    await self._moved.wait()
        self.check()
        return frozenset(partitions) - self._unsafe.keys()

    def stuck(self) -> frozenset[int]:
        """Return the partitions that Kafka does not accept records for."""
        return frozenset(self._lanes)

    def abandon(self, reason: BaseException) -> None:
        """Report nothing as safe from now on."""
        self._failure = self._failure or reason
        self._wake_waiters()

    async def run(self) -> None:
        """Write changes until cancelled. Raise what the sender raises."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    await self._news.wait()
                    self._news.clear()
                    group = tuple(self._waiting)
                    self._waiting.clear()
                    await self._write_together(group, tasks)
        except BaseExceptionGroup as failures:
            self.abandon(failures.exceptions[0])
            raise failures.exceptions[0] from failures
        except BaseException as error:
            self.abandon(error)
            raise

    def _is_full(self, partition: int) -> bool:
        if partition in self._lanes:
            return self._unsafe[partition] >= _LANE_ROOM
        in_lanes = sum(self._unsafe[lane] for lane in self._lanes) if self._lanes else 0
        return self._pending - in_lanes >= _ROOM

    def _safe(self, changes: Iterable[Change]) -> None:
        self._unsafe.subtract(change.partition for change in changes)
        self._unsafe += Counter()  # drops the zeros
        self._pending = self._unsafe.total()
        self._wake_waiters()

    def _wake_waiters(self) -> None:
        # Wakes only the tasks that wait now.
        self._moved.set()
        self._moved.clear()

    async def _write_together(self, group: Sequence[Change], tasks: asyncio.TaskGroup) -> None:
        """Write changes of several partitions; move those that Kafka does not accept to lanes."""
        outputs = [(c.partition, output.answer) for c in group for output in c.after]
        slow = await _overdue(outputs)
        for partition in slow:
            changes = [change for change in group if change.partition == partition]
            self._begin_lane(partition, changes, (), tasks)
        group = [change for change in group if change.partition not in slow]
        written = await self._send_states(group)
        slow = await _overdue([(c.partition, r.answer) for c, r in written if r is not None])
        for partition in slow:
            sent_ones = [(c, record) for c, record in written if c.partition == partition]
            changes = [change for change in group if change.partition == partition]
            self._begin_lane(partition, changes, sent_ones, tasks)
        await self._confirm([(c, record) for c, record in written if c.partition not in slow])
        self._safe(change for change in group if change.partition not in slow)

    def _begin_lane(
        self,
        partition: int,
        changes: Sequence[Change],
        written: Sequence[tuple[Change, Sent | None]],
        tasks: asyncio.TaskGroup,
    ) -> None:
        """Move the partition's changes to a lane. `written`: those of `changes` that were sent
        already, with their records; empty if none was sent."""
        log.warning("Kafka accepts no records for a partition; it waits", partition=partition)
        lane = self._lanes[partition] = deque(c for c in self._waiting if c.partition == partition)
        self._waiting = deque(c for c in self._waiting if c.partition != partition)
        tasks.create_task(self._work_lane(partition, lane, changes, written))

    async def _work_lane(
        self,
        partition: int,
        lane: deque[Change],
        changes: Sequence[Change],
        written: Sequence[tuple[Change, Sent | None]],
    ) -> None:
        while changes:
            await self._confirm(written or await self._send_states(changes))
            self._safe(changes)
            changes, written = tuple(lane), ()
            lane.clear()
        del self._lanes[partition]
        self._wake_waiters()
        log.info("Kafka accepts the partition's records again", partition=partition)

    async def _send_states(self, changes: Sequence[Change]) -> list[tuple[Change, Sent | None]]:
        # 1. Wait for the outputs first: see the module's docstring.
        for change in changes:
            for output in change.after:
                if (error := await output.refusal()) is not None:
                    await change.refused("too-large", error)
        # 2. Send only the last of several changes of a key: the table caches the latest value.
        latest = {(change.partition, change.key): change for change in changes}
        return [(change, await self._send(change)) for change in latest.values()]

    async def _confirm(self, written: Iterable[tuple[Change, Sent | None]]) -> None:
        # 3. Wait for the broker's answers. A refused state is kept in memory only; after a restart
        #    the previous one holds.
        for change, record in written:
            error = None if record is None else await record.refusal()
            if error is not None:
                await change.refused("state-too-large", error)

    async def _send(self, change: Change) -> Sent | None:
        try:
            return await sent(
                self._sender, self._changelog, change.value, change.key, change.partition
            )
        except REFUSED as error:
            await change.refused("state-too-large", error)
            return None


async def _overdue(answers: Iterable[tuple[int, asyncio.Future[Any]]]) -> frozenset[int]:
    """Wait up to a second for the broker's answers; return the partitions with answers still
    pending."""
    pending = [(partition, answer) for partition, answer in answers if not answer.done()]
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    # The latest first: the broker answers for many records together, so the others then mostly are
    # done. A callback for each of them would cost more than this loop.
    for _, answer in reversed(pending):
        remaining = deadline - asyncio.get_running_loop().time()
        if not answer.done() and remaining > 0:
            await asyncio.wait([answer], timeout=remaining)
    return frozenset(partition for partition, answer in pending if not answer.done())
