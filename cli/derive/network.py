"""Run the cores of several roles over records in the order of their log times. Pure.

A record is handled by every role that reads its topic, and so is each record that follows from it,
at the same log time, before the next record. Ticks are whole seconds of log time: the tick of a
second is handled before the first record of that second. So the result depends on the records
alone, and not on when or how often the derivation was stopped.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.faust_runner.core import Core, Output, Step
from agents.faust_runner.wakeups import Keys, Waking
from cli.derive.roles import DerivedRole
from pipeline.policy.monitored_list import PolicyHistory
from schemas.codec import decode, encode
from schemas.topics import Topic

TICK_MS = 1_000


@dataclass(frozen=True, slots=True)
class Derived:
    """A derived record. `at`: log time (ms) of the live record, or of the tick, that it follows
    from."""

    topic: Topic
    key: str
    record: Any
    at: int


@dataclass(frozen=True, slots=True)
class Changes:
    """The part to be written: the derived records in order, and the encoded states of changed keys
    (None: forgotten), by the name of the role and the key."""

    records: tuple[Derived, ...]
    states: Mapping[tuple[str, str], bytes | None]


class RoleState:
    """The core of a role, and the states of its keys."""

    def __init__(self, role: DerivedRole, core: Core[Any]) -> None:
        self.role = role
        self.core = core
        self.keys: Keys[Any] = Keys()
        self.changed: dict[str, None] = {}
        """The keys that changed since the last `Network.changes`."""
        self._forgotten: dict[str, bytes] = {}
        self._expiry = Waking()

    def state_of(self, key: str) -> Any:
        """Return the state of a key, or None. A forgotten state that may be recalled is
        restored."""
        state = self.keys.states.get(key)
        if state is None and (data := self._forgotten.pop(key, None)) is not None:
            self._expiry.set(key, None)
            state = decode(data)
            self._keep(key, state)
        return state

    def put(self, key: str, state: Any) -> None:
        """Set the state of a key; None removes it."""
        self.changed[key] = None
        if state is None:
            self.keys.forget(key)
        else:
            self._keep(key, state)

    def set_aside(self, key: str, state: Any) -> None:
        """Forget a key at a tick, so that it can be recalled, if the role provides for it."""
        if self.role.recalled_until is None:
            self.put(key, None)
            return
        self.keys.forget(key)
        self._forgotten[key] = encode(state)
        self._expiry.set(key, self.role.recalled_until(state))

    def expire(self, now: int) -> None:
        """Drop the forgotten states that can no longer be recalled at `now` (ms)."""
        for key in self._expiry.due(now):
            if self._forgotten.pop(key, None) is not None:
                self.changed[key] = None

    def restore(self, key: str, data: bytes) -> None:
        """Set the state of a key as it was written."""
        self._keep(key, decode(data))

    def encoded(self, key: str) -> bytes | None:
        """Return the state of a key as it is written, or None."""
        state = self.keys.states.get(key)
        return self._forgotten.get(key) if state is None else encode(state)

    def _keep(self, key: str, state: Any) -> None:
        self.keys.states[key] = state
        self.keys.changed[key] = None


@dataclass(slots=True)
class Failures:
    """Records that a role did not accept, or failed on. The live role writes them to
    `cti.dead-letters`; here they are counted. `examples`: the first texts."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Add one."""
        self.count += 1
        if len(self.examples) < 10:
            self.examples.append(text)


class Network:
    """The roles, and the records between them."""

    def __init__(
        self, roles: Sequence[DerivedRole], history: PolicyHistory, voice_channels: frozenset[str]
    ) -> None:
        self.failures = Failures()
        self.clock: int | None = None
        """Log time (ms) of the last tick: a whole second."""
        self._history = history
        self._roles = [RoleState(role, role.core(history, voice_channels)) for role in roles]
        self._readers: dict[str, list[RoleState]] = {}
        for state in self._roles:
            for topic in state.role.reads:
                self._readers.setdefault(topic, []).append(state)
        self._records: list[Derived] = []
        self._latest: dict[tuple[str, str], Derived] = {}

    def restore(self, clock: int, states: Iterable[tuple[str, str, bytes]]) -> None:
        """Continue at `clock` (ms) with the written states: role, key, encoded state."""
        by_name = {state.role.name.value: state for state in self._roles}
        for role, key, data in states:
            by_name[role].restore(key, data)
        self.clock = clock

    def take(self, topic: str, key: str, record: Any, at: int) -> None:
        """Handle a live record of a topic, with its log time (ms). The ticks before it must have
        been handled: see `advance`."""
        waiting = deque([(topic, key, record)])
        while waiting:
            name, its_key, each = waiting.popleft()
            for reader in self._readers.get(name, ()):
                if type(each).__name__ in reader.role.reads[name]:
                    on_record = reader.core.on_record
                    waiting.extend(self._step(reader, its_key, on_record, each, at))

    def advance(self, now: int) -> None:
        """Handle the ticks up to log time `now` (ms)."""
        last = now - now % TICK_MS
        if self.clock is None:
            self.clock = last
        for at in range(self.clock + TICK_MS, last + 1, TICK_MS):
            self._tick(at)
            self.clock = at

    def changes(self) -> Changes:
        """Remove and return the changes to write. The caller may stop the derivation after this
        only at a tick, or at its end."""
        self._settle()
        records, self._records = tuple(self._records), []
        states = {}
        for state in self._roles:
            for key in state.changed:
                states[state.role.name.value, key] = state.encoded(key)
            state.changed.clear()
        return Changes(records, states)

    @property
    def pending(self) -> int:
        """The number of records and states that `changes` would return, roughly."""
        return len(self._records) + sum(len(state.changed) for state in self._roles)

    def _tick(self, at: int) -> None:
        self._settle()
        version = self._history.at(at).version
        for state in self._roles:
            for key in state.keys.due(at, version if state.role.is_ruled else 0):
                if key not in state.keys.states:
                    continue
                for topic, its_key, record in self._step(state, key, _on_tick(state), None, at):
                    self.take(topic, its_key, record, at)
                state.keys.asked(key, state.core.wakes_at)
            state.expire(at)
        self._settle()

    def _step(
        self, reader: RoleState, key: str, ask: Callable[..., Step[Any]], record: Any, at: int
    ) -> list[tuple[str, str, Any]]:
        """Let a core handle a record or a tick; return the records that follow."""
        before = reader.state_of(key)
        try:
            step = ask(key, before, record, at)
        except Exception as error:  # noqa: BLE001 - the live role continues too, with a dead letter
            self.failures.note(f"{reader.role.name}: {key}: {error!r}")
            return []
        if step.refused is not None:
            self.failures.note(f"{reader.role.name}: {key}: {step.refused.detail}")
        if step.state is None and before is not None and record is None and not step.outputs:
            reader.set_aside(key, before)
        elif step.state is not before:
            reader.put(key, step.state)
        kept = [output for output in step.outputs if _is_made(reader, output)]
        return [self._made(output, at) for output in kept]

    def _made(self, output: Output, at: int) -> tuple[str, str, Any]:
        made = Derived(output.topic, output.key, output.record, at)
        if output.topic.retention_ms is None:
            # Compacted: only the last record of a key stays. One in a second is enough.
            self._latest[output.topic.name, output.key] = made
        else:
            self._records.append(made)
        return output.topic.name, output.key, output.record

    def _settle(self) -> None:
        self._records.extend(self._latest.values())
        self._latest.clear()


def _is_made(reader: RoleState, output: Output) -> bool:
    return type(output.record).__name__ in reader.role.makes.get(output.topic.name, ())


def _on_tick(state: RoleState) -> Callable[..., Step[Any]]:
    on_tick = state.core.on_tick
    return lambda key, before, _, now: on_tick(key, before, now)
