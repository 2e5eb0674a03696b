"""The parts of a Faust role: a pure core that turns (state, record, now) into (state, outputs).

Everything else (topics, table, ticks, commits) is the same for all roles; see `runner.py`.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

from schemas.fast_dataclass import dataclass
from schemas.topics import Topic

S = TypeVar("S")
"""A role's state for one key: one of our Avro records."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A Kafka record as consumed. `timestamp` in ms."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Output:
    """A record to publish. Its key determines the partition."""

    topic: Topic
    key: str
    record: Any


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a record goes to `cti.dead-letters`. `reason`: a short fixed word; `detail`: a text for
    people."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Step(Generic[S]):
    """A core's answer.

    - `state`: the key's new state. The same object as before means unchanged; None means that the
      key is forgotten.
    - `outputs`: the records to publish, in this order.
    - `refused`: why the core does not accept the record, or None. State and outputs are valid all
      the same. A step of a tick is never refused.
    - `ignored`: why the record changed nothing, as a short fixed word for metrics, or None.
    """

    state: S | None
    outputs: tuple[Output, ...] = ()
    refused: Refusal | None = None
    ignored: str | None = None


class Core(Protocol[S]):
    """Decides. Pure: `now` (ms) is the Kafka timestamp of the record or tick.

    Delivery is at least once: after a crash the same record may come again, on the state from
    before it or from after it. On the earlier state the step must be the same; on the later state
    it must change nothing.
    """

    def on_record(self, key: str, state: S | None, record: Any, now: int) -> Step[S]:
        """Handle a record of a source topic with this key."""
        ...

    def on_tick(self, key: str, state: S, now: int) -> Step[S]:
        """Handle the passage of time.

        Called at the first tick after each change and at the first tick at or after the state's
        `wakes_at`; for every key also after a recovery and when the version of the rules changes.
        The core must therefore check itself which deadlines have passed.
        """
        ...

    def wakes_at(self, state: S) -> int | None:
        """Return the time (ms) of the tick at which a key in this state must be handled again.

        A time in the past means every tick; None means that no deadline is pending. Depends on the
        state alone. Must be cheap.
        """
        ...


Effects = Callable[[str, Any, Step[Any]], Awaitable[None]]
"""Carries out a step's effects outside Kafka, given the key, the state before, and the step.

Must be safe to repeat, and must retry by itself. An exception ends the role.
"""

Recall = Callable[[str], Awaitable[Any]]
"""Returns the state of a key that is not in the table, from outside Kafka; None if there is none.

Must retry by itself. An exception ends the role.
"""

Rules = Callable[[int], int]
"""Return the version of the rules (the monitored list) in force at a time (ms)."""


Observe = Callable[[str, Any, Any, Step[Any], int], None]
"""Counts a step of the core, so that a core counts nothing itself. Called once for each step,
before it is carried out, with the key, the state before, the record (None: a tick), the step, and
`now` (ms). After a crash a step may be counted again."""


class Broadcasts(Protocol[S]):
    """Optional part of a core: handles records that concern a whole partition."""

    def on_broadcast(self, key: str, state: S, record: Any, now: int) -> Step[S]:
        """Handle a record without a key (GatewayStarted). Called for every key of the partition
        that `wants_broadcasts`."""
        ...

    def wants_broadcasts(self, state: S) -> bool:
        """Return whether broadcasts concern a key in this state. Depends on the state alone. Must
        be cheap."""
        ...
