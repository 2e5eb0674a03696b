"""The way out of a Faust role: outputs, then the table's changelog, then the offsets; never in
another order.

A core publishes a version only when the state changes. Were the changed state safe before its
outputs, a crash between the two would lose the outputs for good: the event, applied again, would
change nothing. So the changelog waits for the broker's word on the outputs, and the offset commit
for its word on the changelog. Steps are not held up one by one for that: they go out in groups.

A record that the broker refuses for good (too large) becomes a dead letter, and the line continues.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.protocol.produce import ProduceRequest

from agents.faust_sending import REFUSED, Sender, Sent, sent
from schemas.frozen import dataclass

_ROOM = 5_000

BEHIND_SECONDS = 1.0
"""A role whose records were written longer ago than this works off a backlog."""
_GATHERING_SECONDS = 0.01


class BrokenOutbox(ConnectionError):
    """What was added may never become safe: commit nothing, start anew."""


Refused = Callable[[str, Exception], Awaitable[None]]


async def _ends_the_role(_reason: str, error: Exception) -> None:
    raise error


@dataclass(frozen=True, slots=True)
class Change:
    """A table's new value for a key, and what must be safe before it. `refused` takes a record that
    the broker refuses for good: a short fixed word for it, and the error."""

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
    """From now on each request that writes is followed by a rest of 10 ms while the role is
    `behind`, in which more gathers for the next one: a request costs more than what is in it. Who
    is not behind goes on at once."""
    client = producer.client
    at_once = client.send

    async def send(node_id: int, request: Any, **options: Any) -> Any:
        response = await at_once(node_id, request, **options)
        if isinstance(request, ProduceRequest) and behind():
            await rest(_GATHERING_SECONDS)
        return response

    client.send = send


class Outbox:
    """Writes changes to the changelog, each after its outputs. `run` must be running; once it has
    failed, every waiting call raises, so no offset is committed any more."""

    def __init__(self, sender: Sender, changelog: str) -> None:
        self._sender = sender
        self._changelog = changelog
        self._waiting: deque[Change] = deque()
        self._added = 0
        self._done = 0
        self._news = asyncio.Event()
        self._moved = asyncio.Event()
        self._failure: BaseException | None = None

    async def add(self, change: Change) -> None:
        """Takes a change; waits while too many are under way. Changes of a key keep their order."""
        self.check()
        self._waiting.append(change)
        self._added += 1
        self._news.set()
        await self._until_done(self._added - _ROOM + 1)

    def check(self) -> None:
        """Raises `BrokenOutbox` where what was added may never become safe."""
        if self._failure is not None:
            raise BrokenOutbox("the way out is broken") from self._failure

    async def drained(self) -> None:
        """Returns once every change that was added before is safe on the broker."""
        await self._until_done(self._added)

    def abandon(self, reason: BaseException) -> None:
        """From now on nothing more is said to be safe."""
        self._failure = self._failure or reason
        self._tell()

    async def run(self) -> None:
        """Works until cancelled. Raises what the sender raises."""
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                group = tuple(self._waiting)
                self._waiting.clear()
                await self._write(group)
                self._done += len(group)
                self._tell()
        except BaseException as error:
            self.abandon(error)
            raise

    async def _until_done(self, goal: int) -> None:
        while self._failure is None and self._done < goal:
            await self._moved.wait()
        self.check()

    def _tell(self) -> None:
        # Wakes whoever waits now; who comes later waits for the next.
        self._moved.set()
        self._moved.clear()

    async def _write(self, group: Sequence[Change]) -> None:
        # 1. The outputs: see the module's text.
        for change in group:
            for output in change.after:
                if (error := await output.refusal()) is not None:
                    await change.refused("too-large", error)
        # 2. Of several changes of a key the last holds: the table is a cache of the latest.
        latest = {(change.partition, change.key): change for change in group}
        written = [(change, await self._send(change)) for change in latest.values()]
        # 3. The broker's answers. A state that it refuses is kept in memory only: after a restart
        #    the one before it holds.
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
