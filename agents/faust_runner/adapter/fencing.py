"""Only who still owns a partition may write what came of it.

A process that is stopped (SIGSTOP, a machine that hangs) for longer than its session, and then goes
on, would write what it had begun over what its successor wrote meanwhile: an old value would be the
changelog's last, and events would be lost at the next recovery. So each request to the broker waits
until the group's coordinator has confirmed, within the session, that we are still a member; a
process that is told it no longer is one writes nothing more and ends.

The broker cannot check this for us (it knows no table's owner), so a rest remains: a process that
is stopped in the few microseconds between the look and the writing, or a machine that is stopped
together with its clocks, until its next heartbeat.
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
    """Others own now what this process owned: end it."""


def since_boot() -> float:
    """Seconds by a clock that goes on while the machine sleeps, where there is one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Lease:
    """Membership in the group, good for `seconds` from the question that was last answered with
    yes. Belongs to the running loop; `answered` may be called from any thread."""

    def __init__(self, seconds: float, clock: Callable[[], float] = since_boot) -> None:
        self._seconds = seconds
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._until: float | None = None
        self._lost: str | None = None
        self._news = asyncio.Event()

    def answered(self, asked_at: float, error_code: int) -> None:
        """The coordinator's answer to a question that was sent at `asked_at`."""
        if error_code == _YES:
            self._until = asked_at + self._seconds
        elif self._until is None:
            return  # not let in yet
        elif error_code in _NO:
            self._lost = f"the group's coordinator says {error_code}"
        elif error_code == _LETTING_GO and self._clock() >= self._until:
            # Others may take over at any moment, and only we could still be waiting for something.
            self._lost = "it was too long in letting go of its partitions"
        self._loop.call_soon_threadsafe(self._news.set)

    def lose(self, reason: str) -> None:
        """End the process: it still has something to write that it must not write any more. May be
        called from any thread."""
        self._lost = self._lost or reason
        self._loop.call_soon_threadsafe(self._news.set)

    def holds(self) -> bool:
        """Whether membership was confirmed lately. Raises `Fenced` once it was lost."""
        if self._lost is not None:
            raise Fenced(f"this process owns nothing any more: {self._lost}")
        return self._until is not None and self._clock() < self._until

    async def held(self) -> None:
        """Returns once the lease holds. Raises `Fenced`."""
        while not self.holds():
            self._news.clear()
            await self._news.wait()

    async def lasts(self) -> None:
        """Never returns; raises `Fenced` once the lease is lost."""
        while True:
            self.holds()
            self._news.clear()
            await self._news.wait()


def keep(lease: Lease, consumer: AIOKafkaConsumer) -> None:
    """From now on the lease follows what the coordinator answers the consumer."""
    client = consumer._client  # noqa: SLF001 - aiokafka tells nobody when it was last answered
    unwatched = client.send

    async def send(node_id: int, request: Any, **options: Any) -> Any:
        asked_at = since_boot()
        response = await unwatched(node_id, request, **options)
        # To be let in is not yet to own anything; to be sent away is to own nothing.
        joining = isinstance(request, JoinGroupRequest)
        if isinstance(request, HeartbeatRequest | SyncGroupRequest) or (
            joining and response.error_code in _NO
        ):
            lease.answered(asked_at, response.error_code)
        return response

    client.send = send


def guard(lease: Lease, producer: AIOKafkaProducer) -> None:
    """From now on the producer writes nothing but while the lease holds. What is to be written
    waits for the next answer, and fails with `Fenced` if that is no."""
    client = producer.client
    unguarded = client.send

    async def send(node_id: int, request: Any, **options: Any) -> Any:
        if isinstance(request, ProduceRequest):
            # Connected first: between the last look and the bytes' writing nothing is waited for.
            await client.ready(node_id)
            while not lease.holds():
                await lease.held()
                await client.ready(node_id)
        return await unguarded(node_id, request, **options)

    client.send = send
