"""The runner's parts without Kafka: the way out, the handling of records, the watchdog."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError
from hypothesis import given
from hypothesis import strategies as st

from agents.faust_core import Output, Step
from agents.faust_handler import TICK_PATIENCE_MS, Handler, Incoming
from agents.faust_outbox import Change, Outbox
from agents.faust_transport import committable
from agents.faust_watch import Limits, Sight, Watchdog
from schemas.codec import decode, encode
from schemas.records import CtiEvent, GatewayStarted, Tick
from schemas.topics import CALLS


@dataclass
class Broker:
    """A producer whose records are acknowledged when the test says so."""

    acknowledging: bool = True
    too_large: frozenset[str] = frozenset()
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
        if self.acknowledging:
            future.set_result(None)
        return future

    def topics(self) -> list[str]:
        """Where records went."""
        return [topic for topic, _, _ in self.sent]


def cti(event_id: str = "e1", key: str = "WT1") -> CtiEvent:
    """A record of any kind: the runner does not look into it."""
    return CtiEvent(event_id, "s", "t", None, 5, key, None, "{}", "k", "0", "1")


class LastCore:
    """Keeps the last event and publishes it; refuses one called `bad`; ticks say `ticked`."""

    def on_record(self, key: str, state: CtiEvent | None, record: CtiEvent, now: int) -> Any:
        if record.event_id == "bad":
            raise ZeroDivisionError("bad")
        if record.event_id == "forget":
            return Step(None)
        return Step(record, (Output(CALLS, key, record),))

    def on_tick(self, key: str, state: CtiEvent, now: int) -> Any:
        return Step(replace(state, event_id="ticked", arrived_at=now))

    def on_broadcast(self, key: str, state: CtiEvent, record: Any, now: int) -> Any:
        return Step(replace(state, event_id=f"told {record.gateway}"))

    def wants_ticks(self, state: CtiEvent) -> bool:
        return state.event_id != "quiet"


@dataclass
class Setting:
    """A handler with what it needs."""

    broker: Broker
    outbox: Outbox
    table: dict[bytes, bytes]
    handler: Handler[Any]
    caught_up: list[bool]


def setting(broker: Broker | None = None, effects: Callable[..., Any] | None = None) -> Setting:
    """On an empty table."""
    broker = broker or Broker()
    outbox = Outbox(broker, "changelog")
    table: dict[bytes, bytes] = {}
    caught_up = [True]
    core = LastCore()
    handler: Handler[Any] = Handler(
        role="tracker",
        core=core,
        sender=broker,
        outbox=outbox,
        table=table,
        topics={"p.cti.events": "cti.events", "p.ticks": "ticks"},
        prefixed=lambda name: f"p.{name}",
        caught_up=lambda _: caught_up[0],
        effects=effects,
        broadcast=core.on_broadcast,
    )
    return Setting(broker, outbox, table, handler, caught_up)


def incoming(record: Any, key: str | None = "WT1", topic: str = "p.cti.events") -> Incoming:
    """A record on partition 3."""
    value = record if isinstance(record, bytes) else encode(record)
    return Incoming(topic, 3, 7, 1_000, key.encode() if key else None, value)


def tick(at: int) -> Incoming:
    """A tick on partition 3."""
    return incoming(Tick(at), key=None, topic="p.ticks")


async def test_a_record_is_published_kept_and_logged() -> None:
    """Its output, the table, and, once the broker has the output, the changelog."""
    here = setting()
    await here.handler.handle(incoming(cti()))
    assert {b"WT1": encode(cti())} == here.table
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(here.outbox.run())
        await here.outbox.drained()
        running.cancel()
    assert ["p.calls", "changelog"] == here.broker.topics()


async def test_the_changelog_waits_for_the_outputs_and_the_commit_for_the_changelog() -> None:
    """Else a crash between the two would lose an output for good."""
    here = setting(Broker(acknowledging=False))
    await here.handler.handle(incoming(cti()))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(here.outbox.run())
        drained = tasks.create_task(here.outbox.drained())
        await _settled()
        assert (["p.calls"], False) == (here.broker.topics(), drained.done())
        here.broker.open[0].set_result(None)
        await _settled()
        assert (["p.calls", "changelog"], False) == (here.broker.topics(), drained.done())
        here.broker.open[1].set_result(None)
        await drained
        running.cancel()


async def test_a_broken_way_out_lets_no_offset_be_committed() -> None:
    """Whoever waits for it raises, then and later."""
    here = setting(Broker(acknowledging=False))
    await here.handler.handle(incoming(cti()))
    here.broker.open[0].set_exception(OSError("gone"))
    with pytest.raises(OSError, match="gone"):
        await here.outbox.run()
    with pytest.raises(ConnectionError):
        await here.outbox.drained()
    with pytest.raises(ConnectionError):
        await here.outbox.add(Change(0, b"k", b"v", ()))


async def test_of_many_changes_of_a_key_the_last_is_written() -> None:
    """The table is a cache of the latest."""
    broker = Broker()
    outbox = Outbox(broker, "changelog")
    for n in range(5):
        await outbox.add(Change(0, b"k", str(n).encode(), ()))
    await outbox.add(Change(0, b"other", None, ()))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(outbox.run())
        await outbox.drained()
        running.cancel()
    assert [("changelog", b"k", b"4"), ("changelog", b"other", None)] == broker.sent


@pytest.mark.parametrize(
    ("record", "key", "reason"),
    [
        (b"rubbish", "WT1", "undecodable"),
        (b"", "WT1", "undecodable"),
        (cti("bad"), "WT1", "core-failed"),
    ],
)
async def test_what_cannot_be_handled_goes_to_the_dead_letters(
    record: Any, key: str, reason: str
) -> None:
    """And the loop goes on."""
    here = setting()
    await here.handler.handle(incoming(record, key))
    [(topic, letter_key, value)] = here.broker.sent
    letter = decode(value)
    assert ("p.cti.dead-letters", b"WT1", reason) == (topic, letter_key, letter.reason)
    assert ("p.cti.events", "3", "7") == (letter.origin, letter.part, letter.position)
    assert {} == here.table


async def test_an_output_that_does_not_fit_is_a_dead_letter_and_changes_nothing() -> None:
    """The state is as if the record had not come."""
    here = setting(Broker(too_large=frozenset({"p.calls"})))
    await here.handler.handle(incoming(cti()))
    assert ["p.cti.dead-letters"] == here.broker.topics()
    assert {} == here.table


async def test_effects_come_before_the_table_and_what_they_raise_gets_out() -> None:
    """A broken dependency ends the role; the event is not done then."""

    async def broken(key: str, before: Any, step: Any) -> None:
        raise OSError("database")

    here = setting(effects=broken)
    with pytest.raises(OSError, match="database"):
        await here.handler.handle(incoming(cti()))
    assert {} == here.table


async def test_ticks_reach_the_keys_of_their_partition_that_want_them() -> None:
    """`now` is the tick's time."""
    here = setting()
    await here.handler.handle(incoming(cti(), "WT1"))
    await here.handler.handle(incoming(cti("quiet"), "WT2"))
    await here.handler.handle(tick(9_000))
    assert ("ticked", 9_000) == _event(here, b"WT1")
    assert ("quiet", 5) == _event(here, b"WT2")


async def test_a_tick_does_not_overtake_waiting_records_except_after_long() -> None:
    """Deadlines must not pass that a waiting record would meet; nor may ticks stop for ever."""
    here = setting()
    await here.handler.handle(incoming(cti()))
    here.caught_up[0] = False
    await here.handler.handle(tick(9_000))
    await here.handler.handle(tick(9_000 + TICK_PATIENCE_MS - 1))
    assert ("e1", 5) == _event(here, b"WT1")
    await here.handler.handle(tick(9_000 + TICK_PATIENCE_MS))
    assert ("ticked", 9_000 + TICK_PATIENCE_MS) == _event(here, b"WT1")


async def test_a_record_without_key_is_for_every_key_of_its_partition() -> None:
    """GatewayStarted concerns all calls there."""
    here = setting()
    for key in ("WT1", "WT2"):
        await here.handler.handle(incoming(cti(), key))
    await here.handler.handle(incoming(GatewayStarted("gateway-0", 2, 1_000), None))
    told = {key: decode(value).event_id for key, value in here.table.items()}
    assert {b"WT1": "told gateway-0", b"WT2": "told gateway-0"} == told


async def test_a_forgotten_key_leaves_table_and_ticks() -> None:
    """Tables stay bounded."""
    here = setting()
    await here.handler.handle(incoming(cti()))
    await here.handler.handle(incoming(cti("forget")))
    await here.handler.handle(tick(9_000))
    assert {} == here.table


async def test_after_recovery_the_states_are_those_of_the_table() -> None:
    """Whatever was in memory before."""
    here = setting()
    await here.handler.handle(incoming(cti(), "WT-lost"))
    here.table.clear()
    here.table[b"WT9"] = encode(cti("kept", "WT9"))
    here.handler.restore({b"WT9": 3})
    await here.handler.handle(tick(9_000))
    assert [b"WT9"] == list(here.table)
    assert ("ticked", 9_000) == _event(here, b"WT9")


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_no_commit_passes_an_offset_in_flight(acked: set[int], in_flight: set[int]) -> None:
    """In whatever order the acknowledgements come, gaps or not (faust issue 606)."""
    acked -= in_flight
    offset = committable(acked, in_flight)
    below = [o for o in acked if not in_flight or o < min(in_flight)]
    if offset is None:
        assert not below
    else:
        assert max(below) + 1 == offset
        assert all(offset <= o for o in in_flight)


def test_offsets_that_never_came_hold_nothing_up() -> None:
    """Transaction markers and compaction leave holes."""
    assert 9 == committable([3, 4, 8], [])
    assert 5 == committable([3, 4, 8], [6])
    assert committable([8], [6]) is None


FIRST = Sight(at=0.0, rebalancing=False, busy=False, lag=0, handled=0, committed=0)


def _told(*sights: Sight) -> list[str | None]:
    dog = Watchdog(FIRST, Limits(rebalancing=120, silent=30, uncommitted=60))
    return [dog.see(sight) for sight in sights]


def test_the_watchdog_is_quiet_while_there_is_nothing_to_do() -> None:
    """An idle night is no fault."""
    assert [None] == _told(replace(FIRST, at=100_000.0))


def test_the_watchdog_ends_a_process_that_handles_nothing_of_what_waits() -> None:
    """Silent partitions (faust issue 175)."""
    waiting = replace(FIRST, lag=3)
    said = _told(replace(waiting, at=1.0), replace(waiting, at=29.0), replace(waiting, at=31.0))
    assert [None, None, "3 records wait and none was handled for 30 s"] == said


def test_the_watchdog_waits_for_a_record_in_work() -> None:
    """Effects have their own patience."""
    assert [None] == _told(replace(FIRST, lag=3, busy=True, at=500.0))


def test_the_watchdog_ends_a_process_that_commits_nothing_of_what_it_handles() -> None:
    """Handled for a minute, not a single commit."""
    sights = [replace(FIRST, at=float(t), lag=1, handled=t) for t in range(1, 63)]
    assert _told(*sights)[-1] is not None
    assert [None] * 59 == _told(*sights)[:59]


def test_the_watchdog_ends_a_rebalance_without_end() -> None:
    """A zombie (faust issue 523)."""
    said = _told(*(replace(FIRST, at=float(t), rebalancing=True) for t in (1, 119, 121)))
    assert [None, None, "rebalancing or recovering for 120 s"] == said


def _event(here: Setting, key: bytes) -> tuple[str, int]:
    record = decode(here.table[key])
    return record.event_id, record.arrived_at


async def _settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
