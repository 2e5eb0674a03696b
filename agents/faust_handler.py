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
from prometheus_client import Counter

from agents.faust_backlog import Backlog
from agents.faust_core import Broadcasts, Core, Output, Refusal, Rules, Step
from agents.faust_metrics import BEHIND, EVENTS, GIVEN_UP, HANDLING, KEYS, OUTPUTS
from agents.faust_outbox import Change, Outbox, Sender
from agents.faust_waking import Keys
from pipeline.dead_letters import dead_letter
from schemas.codec import Undecodable, decode, encode
from schemas.records import Tick
from schemas.topics import CALL_PARTITIONS, DEAD_LETTERS, Topic

log = structlog.get_logger(__name__)

S = TypeVar("S")

Effects = Callable[[str, Any, Step[Any]], Awaitable[None]]
"""Carries out what a step means outside Kafka, given the key, the state before and the step.
Repeatable; retries in place; what it raises ends the role."""

Recall = Callable[[str], Awaitable[Any]]
"""What is known outside Kafka of a key that is not in the table, as its state; None: nothing.
Retries in place; what it raises ends the role."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record as it came."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class _Target:
    """Where outputs go."""

    name: str
    of_calls: bool
    counter: Counter


class Handler(Generic[S]):
    """Handles records one after another. `table` is anything that maps key bytes to state bytes;
    `settled(partition)` tells up to which log time its other records were handled;
    `topics` gives a topic's name without the prefix; `rules` and `broadcasts` are what the core
    has besides; `backlog` is told of each record. `behind` (s): how long ago the last record was
    written when it was handled."""

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
        settled: Callable[[int], float],
        effects: Effects | None = None,
        recall: Recall | None = None,
        rules: Rules = lambda _: 0,
        broadcasts: Broadcasts[S] | None = None,
        backlog: Backlog | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._role = role
        self._core = core
        self._sender = sender
        self._outbox = outbox
        self._table = table
        self._topics = topics
        self._handled = {name: EVENTS.labels(bare) for name, bare in topics.items()}
        self._prefixed = prefixed
        self._targets: dict[str, _Target] = {}
        self._settled = settled
        self._effects = effects
        self._recall = recall
        self._rules = rules
        self._broadcasts = broadcasts
        self._backlog = backlog
        self._clock = clock
        self._keys: defaultdict[int, Keys[S]] = defaultdict(Keys)
        self.busy_since: float | None = None
        self.behind = 0.0
        KEYS.set_function(lambda: sum(len(keys.states) for keys in self._keys.values()))

    def restore(self, partitions: Mapping[bytes, int]) -> None:
        """Makes the states anew from the table, after recovery; `partitions`: of each key."""
        self._keys.clear()
        for key, partition in partitions.items():
            data = self._table.get(key)
            if data is not None:
                self._keep(partition, key.decode(), decode(data))

    async def handle(self, incoming: Incoming) -> None:
        """One record. Nothing that the record holds, or that the core makes of it, gets out of
        here as an exception; what is raised means that the role cannot go on."""
        begun = self.busy_since = self._clock()
        if self._backlog is not None:
            written_at = incoming.timestamp / 1000
            self._backlog.see(incoming.topic, incoming.partition, incoming.offset, written_at)
        try:
            await self._dispatch(incoming, decode(incoming.value))
        except Undecodable as error:
            await self._give_up(incoming, "undecodable", error)
        finally:
            self.busy_since = None
        ended = self._clock()
        self._handled[incoming.topic].inc()
        HANDLING.observe(ended - begun)
        self.behind = max(0.0, ended - incoming.timestamp / 1000)
        BEHIND.observe(self.behind)

    async def _dispatch(self, incoming: Incoming, record: Any) -> None:
        if isinstance(record, Tick):
            await self._tick(incoming, record.at)
        elif incoming.key is None:
            await self._broadcast(incoming, record)
        else:
            try:
                key = incoming.key.decode()
            except UnicodeDecodeError as error:
                await self._give_up(incoming, "undecodable", error)
            else:
                await self._recalled(incoming.partition, key)
                await self._step(incoming, key, self._core.on_record, record, incoming.timestamp)

    async def _recalled(self, partition: int, key: str) -> None:
        if self._recall is not None and key not in self._keys[partition].states:
            state = await self._recall(key)
            if state is not None:
                self._keep(partition, key, state)

    async def _broadcast(self, incoming: Incoming, record: Any) -> None:
        if self._broadcasts is None:
            return
        ask = self._broadcasts.on_broadcast
        for key in tuple(self._keys[incoming.partition].hearing):
            await self._step(incoming, key, ask, record, incoming.timestamp)

    async def _tick(self, incoming: Incoming, at: int) -> None:
        # A tick must not overtake the records of its time that are still to be handled here, or
        # deadlines would pass that those records meet: it counts as one of where they are.
        keys = self._keys[incoming.partition]
        at = int(min(at, self._settled(incoming.partition)))
        if keys.ticked_at is not None and at <= keys.ticked_at:
            return
        keys.ticked_at = at
        for key in keys.due(at, self._rules(at)):
            await self._step(incoming, key, self._on_tick, None, at)
            keys.asked(key, self._core.wakes_at)

    def _on_tick(self, key: str, state: S | None, _record: Any, now: int) -> Step[S]:
        assert state is not None
        return self._core.on_tick(key, state, now)

    async def _step(self, incoming: Incoming, key: str, ask: Any, record: Any, now: int) -> None:
        before = self._keys[incoming.partition].states.get(key)
        try:
            step: Step[S] = ask(key, before, record, now)
            outputs = [(o, encode(o.record)) for o in step.outputs]
            state = None if step.state is None or step.state is before else _bytes(step, outputs)
        except Exception as error:  # noqa: BLE001 - whatever a core raises, the others go on
            await self._give_up(incoming, "core-failed", error)
            return
        if step.refused is not None:
            await self._refuse(incoming, step.refused)
        if step.state is before and not outputs:
            return
        # 1. Publish; the broker's word on it is awaited by the outbox.
        sent = await self._publish(incoming, key, outputs)
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
        self, incoming: Incoming, key: str, outputs: list[tuple[Output, bytes]]
    ) -> tuple[Any, ...] | None:
        sent = []
        try:
            for output, value in outputs:
                target = self._target(output.topic)
                # What is about the same call is on the same partition, in every topic of calls.
                here = incoming.partition if target.of_calls and output.key == key else None
                sent.append(await self._sender.send(target.name, value, output.key.encode(), here))
                target.counter.inc()
        except MessageSizeTooLargeError as error:
            await self._give_up(incoming, "too-large", error)
            return None
        return tuple(sent)

    def _target(self, topic: Topic) -> _Target:
        known = self._targets.get(topic.name)
        if known is None:
            known = self._targets[topic.name] = _Target(
                self._prefixed(topic.name),
                topic.partitions == CALL_PARTITIONS,
                OUTPUTS.labels(topic.name),
            )
        return known

    def _write(self, partition: int, key: str, state: S | None, data: bytes | None) -> None:
        raw = key.encode()
        if state is None:
            self._keys[partition].forget(key)
            if raw in self._table:
                del self._table[raw]
        else:
            self._keep(partition, key, state)
            self._table[raw] = data

    def _keep(self, partition: int, key: str, state: S) -> None:
        keys = self._keys[partition]
        keys.states[key] = state
        keys.changed[key] = None
        if self._broadcasts is None:
            return
        if self._broadcasts.hears(state):
            keys.hearing[key] = None
        else:
            keys.hearing.pop(key, None)

    async def _give_up(self, incoming: Incoming, reason: str, error: Exception) -> None:
        log.error(
            "record given up", reason=reason, topic=self._topics[incoming.topic],
            partition=incoming.partition, offset=incoming.offset, exc_info=error,
        )  # fmt: skip
        await self._bury(incoming, reason, str(error), type(error).__name__)

    async def _refuse(self, incoming: Incoming, refused: Refusal) -> None:
        log.warning(
            "record refused", reason=refused.reason, detail=refused.detail,
            topic=self._topics[incoming.topic], partition=incoming.partition,
            offset=incoming.offset,
        )  # fmt: skip
        await self._bury(incoming, refused.reason, refused.detail)

    async def _bury(
        self, incoming: Incoming, reason: str, detail: str, exception: str = ""
    ) -> None:
        """Writes the record to the dead letters; returns once it is there."""
        GIVEN_UP.labels(self._topics[incoming.topic], reason).inc()
        value, headers = dead_letter(
            reason=reason,
            detail=detail,
            role=f"flexcapture-{self._role}",
            origin=incoming.topic,
            part=str(incoming.partition),
            position=str(incoming.offset),
            at=incoming.timestamp,
            key=incoming.key,
            original=incoming.value or b"",
            stage="VALUE_CONVERTER" if reason == "undecodable" else "TASK_PUT",
            exception=exception,
        )
        topic = self._prefixed(DEAD_LETTERS.name)
        await (await self._sender.send(topic, value, incoming.key, headers=headers))


def _bytes(step: Step[Any], outputs: list[tuple[Output, bytes]]) -> bytes:
    """The state's bytes; where the state is itself published, its bytes are not made twice."""
    for output, value in outputs:
        if output.record is step.state:
            return value
    return encode(step.state)
