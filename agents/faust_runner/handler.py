"""Handle one record of a role: decode it, call the core, publish the outputs, write the table.

The states are also kept decoded, in a dictionary per partition. Faust's table holds the same states
as bytes, and its changelog restores them.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from prometheus_client import Counter

from agents.faust_runner.coalescing import Gathering
from agents.faust_runner.core import Incoming, Output, Step
from agents.faust_runner.dead_letters import DeadLetters
from agents.faust_runner.decided import Decided
from agents.faust_runner.metrics import BEHIND, EVENTS, HANDLING, KEYS, OUTPUTS
from agents.faust_runner.outbox import Change, Outbox
from agents.faust_runner.role import RoleParts
from agents.faust_runner.sending import REFUSED, Sender, Sent, sent
from agents.faust_runner.wakeups import Keys
from schemas.codec import Undecodable, decode
from schemas.fast_dataclass import dataclass
from schemas.records import Tick
from schemas.topics import CALL_PARTITIONS, Topic

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class _Target:
    """An output topic. `of_calls`: it is partitioned by task SID like all topics of calls."""

    name: str
    of_calls: bool
    counter: Counter


class Handler(Generic[S]):
    """Handles records one after another.

    - `table` maps key bytes to state bytes; see `adapter/tables.py`, `Table`.
    - `topics` maps names with the prefix to names without it.
    - `settled(partition)` returns the log time (ms) up to which the partition's records, ticks
      aside, were handled.
    - `gathering_s` > 0: a step waits for this time (s) for later steps of its key, and only the
      last is carried out. For cores with outputs that contain the whole state.
    - `clock` is the log's clock (s since the epoch).

    `busy_since`: `time.monotonic()` when the current record was begun, or None. `behind`: the age
    (s) of the last record when it was handled.
    """

    def __init__(
        self,
        *,
        role: str,
        parts: RoleParts[S],
        sender: Sender,
        outbox: Outbox,
        table: Any,
        topics: Mapping[str, str],
        prefixed: Callable[[str], str],
        settled: Callable[[int], float],
        gathering_s: float = 0.0,
        clock: Callable[[], float],
    ) -> None:
        self._core = parts.core
        self._sender = sender
        self._outbox = outbox
        self._table = table
        self._dead_letters = DeadLetters(role, sender, topics, prefixed)
        self._handled = {name: EVENTS.labels(bare) for name, bare in topics.items()}
        self._prefixed = prefixed
        self._targets: dict[str, _Target] = {}
        self._settled = settled
        self._effects = parts.effects
        self._recall = parts.recall
        self._rules = parts.rules
        self._broadcasts = parts.broadcasts
        self._observe = parts.observe
        self._backlog = parts.backlog
        self._clock = clock
        self._gathers = gathering_s > 0
        self._gathering: Gathering[Decided[S]] = Gathering(gathering_s, self._carry_out)
        self._keys: defaultdict[int, Keys[S]] = defaultdict(Keys)
        self.busy_since: float | None = None
        self.behind = 0.0
        KEYS.set_function(lambda: sum(len(keys.states) for keys in self._keys.values()))

    async def settle(self) -> None:
        """Return once the steps of all handled records are carried out, none waiting to be
        coalesced. Raise what `handle` raises."""
        await self._gathering.settle()

    async def gather(self) -> None:
        """Carry out waiting steps when their time has come, until cancelled. Raise what `handle`
        raises."""
        await self._gathering.run()

    def restore(self, partitions: Mapping[bytes, int]) -> None:
        """Rebuild the states from the table after a recovery. `partitions` maps each key to its
        partition."""
        self._gathering.forget()  # steps of lost partitions; an orderly hand-over settles all steps
        self._keys.clear()
        if self._backlog is not None:
            self._backlog.restart()
        for key, partition in partitions.items():
            data = self._table.get(key)
            if data is not None:
                self._keep(partition, key.decode(), decode(data))

    async def handle(self, incoming: Incoming) -> None:
        """Handle a record. A faulty record, or a core that fails on it, never raises: it becomes a
        dead letter. An exception means that the role cannot continue."""
        begun = self.busy_since = time.monotonic()
        if self._backlog is not None:
            written_at = incoming.timestamp / 1000
            self._backlog.see(incoming.topic, incoming.partition, incoming.offset, written_at)
        try:
            async with self._gathering.turn:
                await self._dispatch(incoming, decode(incoming.value))
        except Undecodable as error:
            await self._dead_letters.give_up(incoming, "undecodable", error)
        finally:
            self.busy_since = None
        self._handled[incoming.topic].inc()
        HANDLING.observe(time.monotonic() - begun)
        self.behind = max(0.0, self._clock() - incoming.timestamp / 1000)
        BEHIND.observe(self.behind)

    async def _dispatch(self, incoming: Incoming, record: Any) -> None:
        if isinstance(record, Tick):
            await self._tick(incoming)
        elif incoming.key is None:
            await self._broadcast(incoming, record)
        else:
            try:
                key = incoming.key.decode()
            except UnicodeDecodeError as error:
                await self._dead_letters.give_up(incoming, "undecodable", error)
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

    async def _tick(self, incoming: Incoming) -> None:
        # A tick must not overtake earlier records that are not handled yet, or deadlines would pass
        # that those records meet. So it takes the log time that the partition has reached.
        keys = self._keys[incoming.partition]
        at = int(min(incoming.timestamp, self._settled(incoming.partition)))
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
            if self._observe is not None:
                self._observe(key, before, record, step, now)
            decided = Decided.of(incoming, key, before, step)
        except Exception as error:  # noqa: BLE001 - a core's error must not stop the others
            await self._dead_letters.give_up(incoming, "core-failed", error)
            return
        if step.refused is not None:
            await self._dead_letters.refuse(incoming, step.refused)
        if step.state is before and not step.outputs:
            return
        if not self._gathers:
            await self._carry_out(decided)
        else:
            await self._gather(decided)

    async def _gather(self, decided: Decided[S]) -> None:
        place = decided.incoming.partition, decided.key
        earlier = self._gathering.take(place)
        if decided.step.state is None or not decided.is_small():
            if earlier is not None:
                await self._carry_out(earlier)
            await self._carry_out(decided)
        else:
            self._keep(*place, decided.step.state)
            self._gathering.put(place, decided if earlier is None else decided.instead_of(earlier))

    async def _carry_out(self, decided: Decided[S]) -> None:
        incoming, key, before, step = decided.incoming, decided.key, decided.before, decided.step
        # 1. Publish. The outbox waits for the broker's answers.
        published = await self._publish(incoming, key, decided.outputs)
        if published is None:
            return
        # 2. Carry out the effects outside Kafka.
        if self._effects is not None:
            await self._effects(key, before, step)
        # 3. Write the table in memory; its changelog record is sent once (1) is safe. Without a
        #    change of state, the outbox must still hold the commit back until the outputs are safe.
        state = decided.state
        if step.state is not before:
            self._write(incoming.partition, key, step.state, state)
        elif published:
            state = self._table.get(key.encode())
        refused = partial(self._dead_letters.give_up, incoming)
        change = Change(incoming.partition, key.encode(), state, published, refused)
        await self._outbox.add(change)

    async def _publish(
        self, incoming: Incoming, key: str, outputs: Sequence[tuple[Output, bytes]]
    ) -> tuple[Sent, ...] | None:
        published = []
        try:
            for output, value in outputs:
                target = self._target(output.topic)
                # Records of the same call go to the same partition in every topic of calls.
                here = incoming.partition if target.of_calls and output.key == key else None
                raw = output.key.encode()
                published.append(await sent(self._sender, target.name, value, raw, here))
                target.counter.inc()
        except REFUSED as error:
            await self._dead_letters.give_up(incoming, "too-large", error)
            return None
        return tuple(published)

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
            self._table.keep(raw, data, partition)

    def _keep(self, partition: int, key: str, state: S) -> None:
        keys = self._keys[partition]
        keys.states[key] = state
        keys.changed[key] = None
        if self._broadcasts is None:
            return
        if self._broadcasts.wants_broadcasts(state):
            keys.hearing[key] = None
        else:
            keys.hearing.pop(key, None)
