"""What a Faust role is made of: a pure core that turns (state, record, now) into (state, outputs).

Everything else about a role (topics, table, ticks, commits) is the same for all: `agents/app.py`.
"""

from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from schemas.topics import Topic

S = TypeVar("S")
"""A role's state for one key: one of our Avro records."""


@dataclass(frozen=True, slots=True)
class Output:
    """A record to publish, under a key that decides its partition."""

    topic: Topic
    key: str
    record: Any


@dataclass(frozen=True, slots=True)
class Step(Generic[S]):
    """What a core answers: the key's new state (the very same object: nothing changed; None: the
    key is forgotten) and what is to be published, in order."""

    state: S | None
    outputs: tuple[Output, ...] = ()


class Core(Protocol[S]):
    """Decides. Pure: `now` (ms) is the record's Kafka timestamp, or the tick's time.

    Delivery is at least once: the same record may come again after a crash, on the state from
    before it or from after it. On the state from before, the step must come out the same; on the
    state from after it, applying it again must change nothing.
    """

    def on_record(self, key: str, state: S | None, record: Any, now: int) -> Step[S]:
        """A record of a source topic came under this key."""
        ...

    def on_tick(self, key: str, state: S, now: int) -> Step[S]:
        """Time passed; asked at most once a second for each key whose state wants ticks."""
        ...

    def wants_ticks(self, state: S) -> bool:
        """Whether a key in this state must be asked at ticks."""
        ...


class Broadcasts(Protocol[S]):
    """What a core may have besides: an answer to records that concern a whole partition."""

    def on_broadcast(self, key: str, state: S, record: Any, now: int) -> Step[S]:
        """A record without key came (GatewayStarted): asked for every key of its partition."""
        ...
