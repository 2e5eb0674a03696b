"""Fencing: a process may write results for a partition only while it is a member of the consumer
group.

A process that is suspended (SIGSTOP, a machine that hangs) for longer than its session, and then
resumes, would write its pending results over those of its successor. The last value in the
changelog would then be an old one, and events would be lost at the next recovery. So each produce
request waits until the group's coordinator has confirmed the membership within the session. A
process that has lost its membership writes nothing more and ends.

The broker cannot check this for us, because it does not know the owner of a table. Two cases
remain: a process that is suspended in the few microseconds between the check and the write; and a
machine that is suspended together with its clocks, until its next heartbeat.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import (
    IllegalGenerationError,
    ProducerFenced,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, SyncGroupRequest
from aiokafka.protocol.produce import ProduceRequest

_YES = 0
_LETTING_GO = RebalanceInProgressError.errno
_FENCED_INSTANCE_ID = 82
_NO = frozenset({UnknownMemberIdError.errno, IllegalGenerationError.errno, _FENCED_INSTANCE_ID})


class Fenced(ProducerFenced):  # type: ignore[misc]
    """Another process owns the partitions now: end this one."""


def since_boot() -> float:
    """Return seconds from a clock that also runs while the machine is suspended, if there is
    one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Lease:
    """Membership in the group, valid for `seconds` from the time of the last request that the
    coordinator confirmed.

    Belongs to the running loop. `answered` and `lose` may be called from any thread.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = since_boot) -> None:
        self._seconds = seconds
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._until: float | None = None
        self._lost: str | None = None
        self._news = asyncio.Event()

    def answered(self, asked_at: float, error_code: int) -> None:
        """Handle the coordinator's answer to a request that was sent at `asked_at`
        (`since_boot`)."""
        if error_code == _YES:
            self._until = asked_at + self._seconds
        elif self._until is None:
            return  # not a member yet
        elif error_code in _NO:
            self._lost = f"the group's coordinator says {error_code}"
        elif error_code == _LETTING_GO and self._clock() >= self._until:
            # The rebalance may end at any moment, and this process may be the only one that delays
            # it.
            self._lost = "it took too long to give up its partitions"
        self._loop.call_soon_threadsafe(self._news.set)

    def lose(self, reason: str) -> None:
        """End the process: it has pending records that it may no longer write. May be called from
        any thread."""
        self._lost = self._lost or reason
        self._loop.call_soon_threadsafe(self._news.set)

    def holds(self) -> bool:
        """Return whether the membership was confirmed recently. Raise `Fenced` once it was
        lost."""
        if self._lost is not None:
            raise Fenced(f"this process no longer owns any partition: {self._lost}")
        return self._until is not None and self._clock() < self._until

    async def held(self) -> None:
        """Return once the lease holds. Raise `Fenced`."""
        while not self.holds():
            self._news.clear()
            await self._news.wait()

    async def lasts(self) -> None:
        """Never return; raise `Fenced` once the lease is lost."""
        while True:
            self.holds()
            self._news.clear()
            await self._news.wait()


def keep(lease: Lease, consumer: AIOKafkaConsumer) -> None:
    """Update the lease from the coordinator's answers to the consumer, from now on."""
    client = consumer._client  # noqa: SLF001 - aiokafka does not publish its last answer
    unwatched = client.send

    async def send(node_id: int, request: Any, **options: Any) -> Any:
        asked_at = since_boot()
        response = await unwatched(node_id, request, **options)
        # A join alone assigns no partitions, so its success confirms nothing; its refusal ends the
        # membership.
        joining = isinstance(request, JoinGroupRequest)
        if isinstance(request, HeartbeatRequest | SyncGroupRequest) or (
            joining and response.error_code in _NO
        ):
            lease.answered(asked_at, response.error_code)
        return response

    client.send = send


def guard(lease: Lease, producer: AIOKafkaProducer) -> None:
    """Let the producer write only while the lease holds, from now on. Records wait for the next
    confirmation, and fail with `Fenced` if the membership is lost."""
    client = producer.client
    unguarded = client.send

    async def send(node_id: int, request: Any, **options: Any) -> Any:
        if isinstance(request, ProduceRequest):
            # Connect first, so that nothing is awaited between the last check and the write.
            await client.ready(node_id)
            while not lease.holds():
                await lease.held()
                await client.ready(node_id)
        return await unguarded(node_id, request, **options)

    client.send = send
