"""One record through a role: decode, ask the core, publish, write the table, and let go.

The states are kept decoded beside Faust's table, a dictionary for each partition; the table holds
the same as bytes, and its changelog is what brings them back.
"""

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
from aiokafka.errors import MessageSizeTooLargeError
from prometheus_client import Counter, Gauge, Histogram

from agents.faust_core import Core, Output, Step
from agents.faust_outbox import Change, Outbox, Sender
from pipeline.dead_letters import dead_letter
from schemas.codec import Undecodable, decode, encode
from schemas.records import Tick
from schemas.topics import DEAD_LETTERS

log = structlog.get_logger(__name__)

S = TypeVar("S")

Effects = Callable[[str, Any, Step[Any]], Awaitable[None]]
"""Carries out what a step means outside Kafka, given the key, the state before and the step.
Repeatable; retries in place; what it raises ends the role."""

Broadcast = Callable[[str, Any, Any, int], Step[Any]]
"""A core's answer to a record without key: (key, state, record, now) for each key there."""

TICK_PATIENCE_MS = 15_000

EVENTS = Counter("flexcapture_events_total", "Records handled", ["topic"])
OUTPUTS = Counter("flexcapture_outputs_total", "Records published", ["topic"])
GIVEN_UP = Counter("flexcapture_role_dead_letters_total", "Records given up", ["topic", "reason"])
HANDLING = Histogram(
    "flexcapture_handling_seconds",
    "Time to handle a record",
    buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.2, 1, 5),
)
BEHIND = Histogram(
    "flexcapture_handled_after_seconds",
    "From a record's timestamp to its being handled",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 60),
)
KEYS = Gauge("flexcapture_table_keys", "Keys in the table")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record as it came."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Handler(Generic[S]):
    """Handles records one after another. `table` is anything that maps key bytes to state bytes;
    `caught_up(partition)` tells whether all other records of the partition were handled;
    `topics` gives a topic's name without the prefix."""

    def __init__(
        self,
        *,
        role: str,
        core: Core[S],
        sender: Sender,
        outbox: Outbox,
        table: Any,
        topics: Mapping[str, str],
        prefixed: Callable[[str], str],
        caught_up: Callable[[int], bool],
        effects: Effects | None = None,
        broadcast: Broadcast | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._role = role
        self._core = core
        self._sender = sender
        self._outbox = outbox
        self._table = table
        self._topics = topics
        self._prefixed = prefixed
        self._caught_up = caught_up
        self._effects = effects
        self._broadcast = broadcast
        self._clock = clock
        self._states: defaultdict[int, dict[str, S]] = defaultdict(dict)
        self._ticking: defaultdict[int, dict[str, None]] = defaultdict(dict)
        self._ticked_at: dict[int, int] = {}
        self.busy_since: float | None = None
        KEYS.set_function(lambda: sum(map(len, self._states.values())))

    def restore(self, partitions: Mapping[bytes, int]) -> None:
        """Makes the states anew from the table, after recovery; `partitions`: of each key."""
        self._states.clear()
        self._ticking.clear()
        for key, partition in partitions.items():
            data = self._table.get(key)
            if data is not None:
                self._keep(partition, key.decode(), decode(data))

    async def handle(self, incoming: Incoming) -> None:
        """One record. Nothing that the record holds, or that the core makes of it, gets out of
        here as an exception; what is raised means that the role cannot go on."""
        begun = self.busy_since = self._clock()
        try:
            await self._dispatch(incoming, decode(incoming.value))
        except Undecodable as error:
            await self._give_up(incoming, "undecodable", error)
        finally:
            self.busy_since = None
        name = self._topics[incoming.topic]
        ended = self._clock()
        EVENTS.labels(name).inc()
        HANDLING.observe(ended - begun)
        BEHIND.observe(max(0.0, ended - incoming.timestamp / 1000))

    async def _dispatch(self, incoming: Incoming, record: Any) -> None:
        partition = incoming.partition
        if isinstance(record, Tick):
            await self._tick(incoming, record.at)
        elif incoming.key is None:
            broadcast = self._broadcast
            for key in tuple(self._states[partition]) if broadcast else ():
                await self._step(incoming, key, broadcast, record, incoming.timestamp)
        else:
            try:
                key = incoming.key.decode()
            except UnicodeDecodeError as error:
                await self._give_up(incoming, "undecodable", error)
            else:
                await self._step(incoming, key, self._core.on_record, record, incoming.timestamp)

    async def _tick(self, incoming: Incoming, at: int) -> None:
        # A tick must not overtake the records of its time that are still to be handled here, or
        # deadlines would pass that those records meet. While they are, ticks are let go; not for
        # ever, should they never end.
        partition = incoming.partition
        last = self._ticked_at.setdefault(partition, at)
        if not self._caught_up(partition) and at - last < TICK_PATIENCE_MS:
            return
        self._ticked_at[partition] = at
        for key in tuple(self._ticking[partition]):
            await self._step(incoming, key, self._on_tick, None, at)

    def _on_tick(self, key: str, state: S | None, _record: Any, now: int) -> Step[S]:
        assert state is not None
        return self._core.on_tick(key, state, now)

    async def _step(self, incoming: Incoming, key: str, ask: Any, record: Any, now: int) -> None:
        before = self._states[incoming.partition].get(key)
        try:
            step: Step[S] = ask(key, before, record, now)
            outputs = [(o, encode(o.record)) for o in step.outputs]
            state = None if step.state is None or step.state is before else _bytes(step, outputs)
        except Exception as error:  # noqa: BLE001 - whatever a core raises, the others go on
            await self._give_up(incoming, "core-failed", error)
            return
        if step.state is before and not outputs:
            return
        # 1. Publish; the broker's word on it is awaited by the outbox.
        sent = await self._publish(incoming, outputs)
        if sent is None:
            return
        # 2. What is outside Kafka.
        if self._effects is not None:
            await self._effects(key, before, step)
        # 3. The table in memory; its changelog goes out once (1) is safe. Without a change the
        #    outbox must still hold the commit back until the outputs are safe.
        if step.state is not before:
            self._write(incoming.partition, key, step.state, state)
        elif sent:
            state = self._table.get(key.encode())
        await self._outbox.add(Change(incoming.partition, key.encode(), state, sent))

    async def _publish(
        self, incoming: Incoming, outputs: list[tuple[Output, bytes]]
    ) -> tuple[Any, ...] | None:
        sent = []
        try:
            for output, value in outputs:
                topic = self._prefixed(output.topic.name)
                sent.append(await self._sender.send(topic, value, output.key.encode()))
                OUTPUTS.labels(output.topic.name).inc()
        except MessageSizeTooLargeError as error:
            await self._give_up(incoming, "too-large", error)
            return None
        return tuple(sent)

    def _write(self, partition: int, key: str, state: S | None, data: bytes | None) -> None:
        raw = key.encode()
        if state is None:
            self._states[partition].pop(key, None)
            self._ticking[partition].pop(key, None)
            if raw in self._table:
                del self._table[raw]
        else:
            self._keep(partition, key, state)
            self._table[raw] = data

    def _keep(self, partition: int, key: str, state: S) -> None:
        self._states[partition][key] = state
        if self._core.wants_ticks(state):
            self._ticking[partition][key] = None
        else:
            self._ticking[partition].pop(key, None)

    async def _give_up(self, incoming: Incoming, reason: str, error: Exception) -> None:
        name = self._topics[incoming.topic]
        log.error(
            "record given up", reason=reason, topic=name, partition=incoming.partition,
            offset=incoming.offset, exc_info=error,
        )  # fmt: skip
        GIVEN_UP.labels(name, reason).inc()
        value, headers = dead_letter(
            reason=reason,
            detail=str(error),
            role=f"flexcapture-{self._role}",
            origin=incoming.topic,
            part=str(incoming.partition),
            position=str(incoming.offset),
            at=incoming.timestamp,
            key=incoming.key,
            original=incoming.value or b"",
            stage="VALUE_CONVERTER" if reason == "undecodable" else "TASK_PUT",
            exception=type(error).__name__,
        )
        topic = self._prefixed(DEAD_LETTERS.name)
        await (await self._sender.send(topic, value, incoming.key, headers=headers))


def _bytes(step: Step[Any], outputs: list[tuple[Output, bytes]]) -> bytes:
    """The state's bytes; where the state is itself published, its bytes are not made twice."""
    for output, value in outputs:
        if output.record is step.state:
            return value
    return encode(step.state)
