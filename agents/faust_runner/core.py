"""What a Faust role is made of: a pure core that turns (state, record, now) into (state, outputs).

Everything else about a role (topics, table, ticks, commits) is the same for all:
`agents/faust_runner/runner.py`.
"""

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from schemas.fast_dataclass import dataclass
from schemas.topics import Topic

S = TypeVar("S")
"""A role's state for one key: one of our Avro records."""


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
class Output:
    """A record to publish, under a key that decides its partition."""

    topic: Topic
    key: str
    record: Any


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the record that came goes to `cti.dead-letters`: `reason` a short fixed word, `detail`
    for a person."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Step(Generic[S]):
    """What a core answers: the key's new state (the very same object: nothing changed; None: the
    key is forgotten), what is to be published, in order, and, where the core does not take the
    record, why; state and outputs hold then all the same. At ticks there is nothing to refuse."""

    state: S | None
    outputs: tuple[Output, ...] = ()
    refused: Refusal | None = None


class Core(Protocol[S]):
    """Decides. Pure: `now` (ms) is the Kafka timestamp of the record, or of the tick.

    Delivery is at least once: the same record may come again after a crash, on the state from
    before it or from after it. On the state from before, the step must come out the same; on the
    state from after it, applying it again must change nothing.
    """

    def on_record(self, key: str, state: S | None, record: Any, now: int) -> Step[S]:
        """A record of a source topic came under this key."""
        ...

    def on_tick(self, key: str, state: S, now: int) -> Step[S]:
        """Time passed. Asked at the first tick after each change, at the first that is not before
        the state's `wakes_at`, and, of every key, after a recovery and when another version of the
        rules holds. So it looks for itself what is due."""
        ...

    def wakes_at(self, state: S) -> int | None:
        """The time (ms) of the tick at which a key in this state must be asked again; one that has
        passed: at every tick; None: not because of the time. Of the state alone, and cheap."""
        ...


Rules = Callable[[int], int]
"""The version of the rules (the monitored list) that hold at a time (ms)."""


class Broadcasts(Protocol[S]):
    """What a core may have besides: an answer to records that concern a whole partition."""

    def on_broadcast(self, key: str, state: S, record: Any, now: int) -> Step[S]:
        """A record without key came (GatewayStarted): asked for every key there that hears."""
        ...

    def hears(self, state: S) -> bool:
        """Whether a key in this state is asked. Of the state alone, and cheap."""
        ...
