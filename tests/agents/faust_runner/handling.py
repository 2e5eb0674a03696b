"""A handler on an empty table, with a core and a broker that a test controls."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from aiokafka.errors import MessageSizeTooLargeError

from agents.faust_runner.backlog import Backlog
from agents.faust_runner.core import Incoming, Observe, Output, Refusal, Step
from agents.faust_runner.handler import Handler
from agents.faust_runner.outbox import Outbox
from agents.faust_runner.role import RoleParts
from schemas.codec import encode
from schemas.records import CtiEvent, Tick
from schemas.topics import CALLS


@dataclass
class Broker:
    """A producer: the test decides when records are acknowledged."""

    acknowledging: bool = True
    too_large: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    refused_together: frozenset[str] = frozenset()
    sent: list[tuple[str, bytes | None, bytes | None]] = field(default_factory=list)
    open: list[asyncio.Future[Any]] = field(default_factory=list)

    async def send(  # noqa: PLR0917
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Any = None,
    ) -> asyncio.Future[Any]:
        if topic in self.too_large:
            raise MessageSizeTooLargeError
        self.sent.append((topic, key, value))
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.open.append(future)
        if topic in self.refused | self.refused_together:
            future.set_exception(MessageSizeTooLargeError())
        elif self.acknowledging:
            future.set_result(None)
        return future

    async def send_alone(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int | None = None,
        headers: Any = None,
    ) -> None:
        if topic in self.too_large | self.refused:
            raise MessageSizeTooLargeError
        self.sent.append((topic, key, value))

    def topics(self) -> list[str]:
        """Return the topics of the records."""
        return [topic for topic, _, _ in self.sent]


RULES_HOLD_MS = 100_000
"""In these tests another version of the rules holds every 100 s."""


def cti(event_id: str = "e1", key: str = "WT1") -> CtiEvent:
    """A record of any kind: the runner does not look into it."""
    return CtiEvent(event_id, "s", "t", None, 5, key, None, "{}", "k", "0", "1")


class LastCore:
    """Keeps the last event and publishes it; fails at one called `bad`, refuses one called `late`;
    ticks say `ticked`, and wake a call at its arrival, a quiet one never."""

    def __init__(self) -> None:
        self.ticked: list[tuple[str, int]] = []

    def on_record(self, key: str, state: CtiEvent | None, record: CtiEvent, now: int) -> Any:
        if record.event_id == "bad":
            raise ZeroDivisionError("bad")
        if record.event_id == "forget":
            return Step(None)
        if record.event_id == "late":
            return Step(state, refused=Refusal("too-late", "four hours"))
        return Step(record, (Output(CALLS, key, record),))

    def on_tick(self, key: str, state: CtiEvent, now: int) -> Any:
        self.ticked.append((key, now))
        if now < state.arrived_at or state.event_id == "quiet":
            return Step(state)
        return Step(replace(state, event_id="ticked", arrived_at=now + 10_000))

    def on_broadcast(self, key: str, state: CtiEvent, record: Any, now: int) -> Any:
        return Step(replace(state, event_id=f"broadcast of {record.gateway}"))

    def wakes_at(self, state: CtiEvent) -> int | None:
        return None if state.event_id == "quiet" else state.arrived_at

    def wants_broadcasts(self, state: CtiEvent) -> bool:
        return state.event_id != "deaf"


class FakeTable(dict[bytes, bytes]):
    """A table as a role's is written."""

    def keep(self, key: bytes, value: bytes, partition: int) -> None:
        assert 3 == partition
        self[key] = value


@dataclass
class Setting:
    """A handler with its dependencies."""

    broker: Broker
    outbox: Outbox
    table: dict[bytes, bytes]
    handler: Handler[Any]
    settled: list[float]
    core: LastCore


def setting(
    broker: Broker | None = None,
    *,
    effects: Callable[..., Any] | None = None,
    recall: Callable[..., Any] | None = None,
    gathering_s: float = 0.0,
    clock: Callable[[], float] = time.time,
    observe: Observe | None = None,
    backlog: Backlog | None = None,
) -> Setting:
    """On an empty table."""
    broker = broker or Broker()
    outbox = Outbox(broker, "changelog")
    table = FakeTable()
    settled = [math.inf]
    core = LastCore()
    handler: Handler[Any] = Handler(
        role="tracker",
        parts=RoleParts(
            core=core,
            effects=effects,
            recall=recall,
            rules=lambda now: now // RULES_HOLD_MS,
            broadcasts=core,
            observe=observe,
            backlog=backlog,
        ),
        sender=broker,
        outbox=outbox,
        table=table,
        topics={"p.cti.events": "cti.events", "p.ticks": "ticks"},
        prefixed=lambda name: f"p.{name}",
        settled=lambda _: settled[0],
        gathering_s=gathering_s,
        clock=clock,
    )
    return Setting(broker, outbox, table, handler, settled, core)


def incoming(
    record: Any, key: str | None = "WT1", topic: str = "p.cti.events", at: int = 1_000
) -> Incoming:
    """A record on partition 3."""
    value = record if isinstance(record, bytes) else encode(record)
    return Incoming(topic, 3, 7, at, key.encode() if key else None, value)


def tick(at: int, tracker_at: int = 0) -> Incoming:
    """A tick on partition 3, written to the log at `at` by a tracker with another clock."""
    return incoming(Tick(tracker_at), key=None, topic="p.ticks", at=at)
