"""The runner's parts without Kafka: the way out, the handling of records, the watchdog."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import MessageSizeTooLargeError
from hypothesis import given
from hypothesis import strategies as st

from agents.faust_runner.adapter import watchdog
from agents.faust_runner.adapter.transport import committable
from agents.faust_runner.adapter.watchdog import Sight, Watchdog, WatchdogLimits
from agents.faust_runner.core import Incoming, Observe, Output, Refusal, Step
from agents.faust_runner.handler import Handler
from agents.faust_runner.outbox import Change, Outbox
from agents.faust_runner.role import RoleParts
from schemas.codec import decode, encode
from schemas.records import CtiEvent, GatewayStarted, Tick
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
        return Step(replace(state, event_id=f"told {record.gateway}"))

    def wakes_at(self, state: CtiEvent) -> int | None:
        return None if state.event_id == "quiet" else state.arrived_at

    def hears(self, state: CtiEvent) -> bool:
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


async def test_a_record_is_published_kept_and_logged() -> None:
    """Its output, the table, and, once the broker has the output, the changelog."""
    here = setting()
    await here.handler.handle(incoming(cti()))
    assert {b"WT1": encode(cti())} == here.table
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(here.outbox.run())
        await here.outbox.drained({0, 3})
        running.cancel()
    assert ["p.calls", "changelog"] == here.broker.topics()


async def test_the_changelog_waits_for_the_outputs_and_the_commit_for_the_changelog() -> None:
    """Else a crash between the two would lose an output for good."""
    here = setting(Broker(acknowledging=False))
    await here.handler.handle(incoming(cti()))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(here.outbox.run())
        drained = tasks.create_task(here.outbox.drained({0, 3}))
        await _settled()
        assert (["p.calls"], False) == (here.broker.topics(), drained.done())
        here.broker.open[0].set_result(None)
        await _settled()
        assert (["p.calls", "changelog"], False) == (here.broker.topics(), drained.done())
        here.broker.open[1].set_result(None)
        assert await drained == {0, 3}
        running.cancel()


async def test_a_broken_way_out_lets_no_offset_be_committed() -> None:
    """Every wait for a failed output raises its error, at once and later."""
    here = setting(Broker(acknowledging=False))
    await here.handler.handle(incoming(cti()))
    here.broker.open[0].set_exception(OSError("gone"))
    with pytest.raises(OSError, match="gone"):
        await here.outbox.run()
    with pytest.raises(ConnectionError):
        await here.outbox.drained({0, 3})
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
        await outbox.drained({0, 3})
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
    """A record that cannot be handled becomes a dead letter, and processing continues."""
    here = setting()
    await here.handler.handle(incoming(record, key))
    [(topic, letter_key, value)] = here.broker.sent
    letter = decode(value)
    assert ("p.cti.dead-letters", b"WT1", reason) == (topic, letter_key, letter.reason)
    assert ("p.cti.events", "3", "7") == (letter.origin, letter.part, letter.position)
    assert {} == here.table


async def test_what_the_core_refuses_goes_to_the_dead_letters() -> None:
    """With the core's reason, once the broker has it, and the state as the step says: here, as it
    was."""
    here = setting()
    await here.handler.handle(incoming(cti()))
    kept = dict(here.table)
    await here.handler.handle(incoming(cti("late")))
    [_, (topic, key, value)] = here.broker.sent
    letter = decode(value)
    assert ("p.cti.dead-letters", b"WT1") == (topic, key)
    assert ("too-late", "four hours") == (letter.reason, letter.detail)
    assert encode(cti("late")) == letter.original
    assert kept == here.table


async def test_an_output_that_does_not_fit_is_a_dead_letter_and_changes_nothing() -> None:
    """The state is as if the record had not come."""
    here = setting(Broker(too_large=frozenset({"p.calls"})))
    await here.handler.handle(incoming(cti()))
    assert ["p.cti.dead-letters"] == here.broker.topics()
    assert {} == here.table


async def _carried_out(here: Setting) -> None:
    """Returns once the outbox has done all that was handled."""
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(here.outbox.run())
        await here.outbox.drained({0, 3})
        running.cancel()


def _letters(here: Setting) -> list[str]:
    found = [decode(value) for topic, _, value in here.broker.sent if "dead" in topic]
    return [letter.reason for letter in found]


async def test_an_output_that_the_broker_refuses_is_a_dead_letter_and_the_line_goes_on() -> None:
    """The broker's refusal comes later: the state is written, and the next records are handled."""
    here = setting(Broker(refused=frozenset({"p.calls"})))
    await here.handler.handle(incoming(cti()))
    await here.handler.handle(incoming(cti("e2", "WT2"), key="WT2"))
    await _carried_out(here)

    assert ["too-large", "too-large"] == _letters(here)
    assert 2 == here.broker.topics().count("changelog")


async def test_a_record_that_was_refused_with_others_is_sent_alone() -> None:
    """The broker refuses a whole request: that one of its records is too large says nothing of the
    others."""
    here = setting(Broker(refused_together=frozenset({"p.calls", "changelog"})))
    await here.handler.handle(incoming(cti()))
    await _carried_out(here)

    assert [] == _letters(here)
    assert ["p.calls", "p.calls", "changelog", "changelog"] == here.broker.topics()


@pytest.mark.parametrize("when", ["at once", "by the broker"])
async def test_a_state_that_kafka_refuses_is_a_dead_letter_and_the_line_goes_on(when: str) -> None:
    """The outputs are published, and later records of the call continue from the state in
    memory."""
    topics = frozenset({"changelog"})
    here = setting(Broker(too_large=topics) if when == "at once" else Broker(refused=topics))
    await here.handler.handle(incoming(cti()))
    await here.handler.handle(incoming(cti("e2")))
    await _carried_out(here)

    assert ["state-too-large"] == _letters(here)
    assert {b"WT1": encode(cti("e2"))} == here.table


async def test_a_dead_letter_that_kafka_refuses_is_cut_and_at_last_given_up() -> None:
    """Nothing holds the line up."""
    here = setting(Broker(too_large=frozenset({"p.calls"})))
    alone = here.broker.send_alone

    async def small(topic: str, value: bytes | None, *rest: Any, **more: Any) -> None:
        if len(value or b"") > 20_000:
            raise MessageSizeTooLargeError
        await alone(topic, value, *rest, **more)

    here.broker.send_alone = small  # type: ignore[method-assign]
    await here.handler.handle(incoming(replace(cti(), body="x" * 50_000)))
    [(_, _, value)] = here.broker.sent
    letter = decode(value)
    assert ("too-large", 10_000) == (letter.reason, len(letter.original))
    assert "was cut" in letter.detail

    here.broker.too_large |= {"p.cti.dead-letters"}
    here.broker.send_alone = alone  # type: ignore[method-assign]
    await here.handler.handle(incoming(cti()))
    assert 1 == len(here.broker.sent)


async def test_effects_come_before_the_table_and_what_they_raise_gets_out() -> None:
    """A broken dependency ends the role; the event is not done then."""

    async def broken(key: str, before: Any, step: Any) -> None:
        raise OSError("database")

    here = setting(effects=broken)
    with pytest.raises(OSError, match="database"):
        await here.handler.handle(incoming(cti()))
    assert {} == here.table


async def test_each_step_is_observed_once_with_the_state_before_it() -> None:
    """Records, broadcasts and ticks, refused ones too; not a record that the core fails on."""
    seen: list[tuple[Any, ...]] = []

    def observe(key: str, before: Any, record: Any, step: Step[Any], now: int) -> None:
        refused = None if step.refused is None else step.refused.reason
        seen.append((key, before and before.event_id, type(record).__name__, refused, now))

    here = setting(observe=observe)
    for event in ("one", "bad", "late"):
        await here.handler.handle(incoming(cti(event)))
    await here.handler.handle(incoming(GatewayStarted("g1", 1, 5), key=None))
    await here.handler.handle(tick(2_000))
    assert [
        ("WT1", None, "CtiEvent", None, 1_000),
        ("WT1", "one", "CtiEvent", "too-late", 1_000),
        ("WT1", "one", "GatewayStarted", None, 1_000),
        ("WT1", "told g1", "NoneType", None, 2_000),
    ] == seen


async def test_a_key_that_the_table_does_not_have_is_recalled() -> None:
    """A missing key is recalled once; the record continues from the recalled state, and a tick may
    drop it again."""
    asked: list[str] = []

    async def recall(key: str) -> CtiEvent | None:
        asked.append(key)
        return cti("known") if key == "WT1" else None

    here = setting(recall=recall)
    await here.handler.handle(incoming(cti("late"), "WT1"))
    assert {} == here.table
    await here.handler.handle(tick(10_000))
    assert [("WT1", 10_000)] == here.core.ticked
    assert "ticked" == decode(here.table[b"WT1"]).event_id
    await here.handler.handle(incoming(cti(), "WT1"))
    await here.handler.handle(incoming(cti(), "WT2"))
    assert ["WT1", "WT2"] == asked


async def test_ticks_ask_who_changed_and_who_is_due_and_nobody_else() -> None:
    """A call is kept for hours: asking all of them every second would cost more than the events.
    `now` is the tick's time."""
    here = setting()
    await here.handler.handle(incoming(cti(), "WT1"))
    await here.handler.handle(incoming(cti("quiet"), "WT2"))
    for at in (1_000, 2_000, 11_000, 12_000):
        await here.handler.handle(tick(at))
    assert [("WT1", 1_000), ("WT2", 1_000), ("WT1", 11_000)] == here.core.ticked
    assert ("ticked", 21_000) == _event(here, b"WT1")


async def test_a_change_is_followed_by_a_tick() -> None:
    """A change requests a tick whatever was requested before: a late record may change the time
    of the next one."""
    here = setting()
    await here.handler.handle(incoming(cti("quiet"), "WT2"))
    await here.handler.handle(tick(1_000))
    await here.handler.handle(incoming(cti("quiet", "WT9"), "WT2"))
    await here.handler.handle(tick(2_000))
    await here.handler.handle(tick(3_000))
    assert [("WT2", 1_000), ("WT2", 2_000)] == here.core.ticked


async def test_other_rules_concern_every_key() -> None:
    """A list that changes applies to running calls: at the first tick at which it holds."""
    here = setting()
    for key in ("WT1", "WT2"):
        await here.handler.handle(incoming(cti("quiet"), key))
    for at in (1_000, RULES_HOLD_MS - 1, RULES_HOLD_MS, RULES_HOLD_MS + 1_000):
        await here.handler.handle(tick(at))
    asked = [at for key, at in here.core.ticked if key == "WT2"]
    assert [1_000, RULES_HOLD_MS] == asked


async def test_a_tick_does_not_overtake_waiting_records() -> None:
    """Deadlines must not pass that a waiting record would meet: while records wait, a tick counts
    as one of the time up to which they were handled, and time never runs backwards."""
    here = setting()
    await here.handler.handle(incoming(cti()))
    for settled in (0, 3_000, 3_000, 2_000, math.inf):
        here.settled[0] = settled
        await here.handler.handle(tick(20_000))
    assert [0, 3_000, 20_000] == [at for key, at in here.core.ticked if key == "WT1"]


async def test_a_record_without_key_is_for_every_key_of_its_partition_that_hears() -> None:
    """GatewayStarted applies to all calls of its partition except those that are finished."""
    here = setting()
    for key, name in {"WT1": "e1", "WT2": "e1", "WT3": "deaf"}.items():
        await here.handler.handle(incoming(cti(name), key))
    await here.handler.handle(incoming(GatewayStarted("gateway-0", 2, 1_000), None))
    told = {key: decode(value).event_id for key, value in here.table.items()}
    assert {b"WT1": "told gateway-0", b"WT2": "told gateway-0", b"WT3": "deaf"} == told


async def test_a_forgotten_key_leaves_table_and_ticks() -> None:
    """Tables stay bounded."""
    here = setting()
    await here.handler.handle(incoming(cti()))
    await here.handler.handle(incoming(cti("forget")))
    await here.handler.handle(tick(9_000))
    assert ({}, []) == (here.table, here.core.ticked)


async def test_after_recovery_the_states_are_those_of_the_table() -> None:
    """Whatever was in memory before."""
    here = setting()
    await here.handler.handle(incoming(cti(), "WT-lost"))
    here.table.clear()
    here.table[b"WT9"] = encode(cti("kept", "WT9"))
    here.handler.restore({b"WT9": 3})
    await here.handler.handle(tick(9_000))
    assert [b"WT9"] == list(here.table)
    assert ("ticked", 19_000) == _event(here, b"WT9")


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
    dog = Watchdog(FIRST, WatchdogLimits(rebalancing=120, silent=30, uncommitted=60))
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


def test_the_watchdog_forgives_a_broker_that_does_not_answer() -> None:
    """An outage of minutes, in whatever state it finds the process, is no fault of the process; its
    time counts for nothing once the broker is back."""
    away = replace(FIRST, lag=None, handled=3, rebalancing=True)
    back = replace(away, lag=5)
    sights = [replace(away, at=float(t)) for t in range(2, 280, 2)]
    sights += [replace(back, at=float(t)) for t in range(280, 398, 2)]
    assert {None} == set(_told(*sights))
    working = replace(away, rebalancing=False)
    sights = [replace(working, at=float(t), handled=t) for t in range(2, 280, 2)]
    sights += [replace(working, at=float(t), handled=t, lag=5) for t in range(280, 336, 2)]
    assert {None} == set(_told(*sights))


def test_the_watchdog_does_not_wait_for_an_answer_for_ever() -> None:
    """Perhaps it is the process that cannot hear."""
    said = _told(*(replace(FIRST, at=float(t), lag=None) for t in (2, 300, 302)))
    assert [None, None, "the broker has not answered for 300 s"] == said


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


async def test_a_tick_counts_with_the_time_of_the_log() -> None:
    """A tick has the log's time. The clock of the tracker that wrote it may be an hour off."""
    here = setting()
    await here.handler.handle(incoming(cti()))
    for at, tracker_at in ((20_000, 3_620_000), (21_000, 0), (22_000, 22_000)):
        await here.handler.handle(tick(at, tracker_at))
    assert ("WT1", 20_000) == here.core.ticked[0]


async def test_how_far_a_role_is_behind_is_measured_by_the_log_clock() -> None:
    """A machine's clock that is wrong makes no role seem slow."""
    here = setting(clock=lambda: 12.5)
    await here.handler.handle(incoming(cti(), at=10_000))
    assert 2.5 == here.handler.behind


@pytest.mark.parametrize(("is_away", "ended"), [(True, False), (False, True)])
async def test_a_rebalance_may_last_as_long_as_kafka_is_away(
    is_away: bool, ended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot end before. A new process could do no more."""
    looks = 0

    async def soon(*_: Any) -> None:
        nonlocal looks
        looks += 1
        if looks == 5:
            raise StopAsyncIteration

    class Limited(Watchdog):
        def __init__(self, first: Sight) -> None:
            super().__init__(first, WatchdogLimits(rebalancing=0.0))

    monkeypatch.setattr(watchdog, "_until", soon)
    monkeypatch.setattr(watchdog, "Watchdog", Limited)
    consumer = SimpleNamespace(started=False, commits=0)
    app = SimpleNamespace(rebalancing=True, in_recovery=False, crashed=False, consumer=consumer)
    handler = SimpleNamespace(busy_since=None)
    progress = watchdog.Progress(app, ("cti.events", "ticks"))
    with pytest.raises(watchdog.Stuck if ended else StopAsyncIteration):
        await watchdog.watch(app, progress, handler, lambda: is_away)


async def test_a_record_that_is_not_handled_yet_is_unread() -> None:
    """Although it was fetched. Once all that was fetched is handled, the position counts, which is
    behind the marks of transactions; after a rebalance the committed offset, if it is greater."""
    positions: dict[Any, tuple[int | None, int | None]] = {}
    tp = TopicPartition("cti.events", 3)
    consumer = SimpleNamespace(
        started=True,
        assignment=lambda: {tp, TopicPartition("other", 3)},
        position_and_end=lambda each: positions[each],
        fetched={},
        _committed_offset={},
    )
    app = SimpleNamespace(rebalancing=False, in_recovery=False, consumer=consumer)
    progress = watchdog.Progress(app, ("cti.events", "ticks"))
    progress._ends = {tp: 20, TopicPartition("gone", 1): 5}

    async def place() -> int | None:
        places, ends = await progress.places()
        assert {tp: 20} == ends or not places
        return places.get(tp)

    positions[tp] = None, None
    assert await place() is None
    positions[tp] = 10, 20
    assert 10 == await place()
    consumer._committed_offset[tp] = 10
    positions[tp] = 16, 20
    consumer.fetched["cti.events", 3] = 15
    assert 10 == await place()
    progress.handled("cti.events", 3, 12, 1)
    assert 13 == await place()
    progress.handled("cti.events", 3, 15, 1)
    positions[tp] = 17, 20
    assert 17 == await place()
    consumer._committed_offset[tp], consumer.fetched["cti.events", 3] = 18, 19
    assert 18 == await place()
    app.rebalancing = True
    assert ({}, {}) == await progress.places()
