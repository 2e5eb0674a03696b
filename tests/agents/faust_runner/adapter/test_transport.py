"""The overrides of Faust's transport, each against Faust's own, which does it wrong."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from inspect import getsource
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import Fetcher
from faust.transport.drivers import aiokafka as driver
from faust.transport.producer import Producer, ProducerBuffer
from faust.types import TP
from intervaltree import IntervalTree

from agents.faust_runner.adapter.app_factory import faust_app
from agents.faust_runner.adapter.consumer_thread import ConsumerThread, Fetching
from agents.faust_runner.adapter.fencing import Fenced, Lease
from agents.faust_runner.adapter.tables import TableManager
from agents.faust_runner.adapter.transport import Consumer
from agents.faust_runner.outbox import BrokenOutbox
from pipeline.runtime.settings import Role, Settings
from pipeline.runtime.telemetry import Health

PARTITION = TP("cti.events", 3)


@dataclass(eq=False)
class Message:
    """A record that a stream has taken."""

    offset: int
    tp: TP = PARTITION
    acked: bool = False


def consumer(kind: Any, acked: list[int], in_flight: list[int], gaps: list[range]) -> Any:
    """A consumer in the middle of its work, never connected."""
    made = object.__new__(kind)
    made._acked = defaultdict(list, {PARTITION: list(acked)})
    made._acked_index = defaultdict(set, {PARTITION: set(acked)})
    made._committed_offset = defaultdict(lambda: None)
    tree = IntervalTree.from_tuples((gap.start, gap.stop) for gap in gaps)
    made._gap = defaultdict(IntervalTree, {PARTITION: tree})
    made._unacked_messages = {Message(offset) for offset in in_flight}
    made._unsafe, made.commits = {}, 0
    return made


def reading_with(thread: Any) -> Any:
    """Return a consumer with the given thread, in an app with one table."""

    class Tables:
        changelog_topics = frozenset({"changelog"})

    ours = object.__new__(Consumer)
    ours.app = SimpleNamespace(tables=Tables(), client_only=False, fetching=Fetching())
    ours._thread, ours.fetched = thread, {}
    ours._held, ours._resumed, ours._unsafe = set(), asyncio.Event(), {}
    return ours


@dataclass
class Thread:
    """A consumer's thread; `fetch_ms`: how long its fetches may take."""

    fetch_ms: int | None = None
    fetched: list[Any] = field(default_factory=list)

    def fetch_for(self, most_ms: int) -> None:
        """From the next one on."""
        self.fetch_ms = most_ms

    async def getmany(self, active: Any, timeout: float) -> Any:
        """Nothing."""
        self.fetched.append((active, timeout))
        return {}


async def all_of_them(partitions: Any) -> Any:
    """Everything is safe."""
    return partitions


def app_in(directory: Path, **options: Any) -> Any:
    """A tracker's app, not started."""
    settings = Settings(kafka_bootstrap_servers="localhost:1", state_dir=directory)
    return faust_app(
        settings,
        Role.TRACKER,
        before_commit=all_of_them,
        lease=Lease(6.0),
        health=Health(),
        **options,
    )


def test_an_offset_in_flight_is_not_committed() -> None:
    """Between 4 and 9 lies a hole, which Faust fills up with 6, the record just received there:
    acknowledged out of order, 9 would take 6 along (faust issue 606)."""
    state: dict[str, Any] = {"acked": [3, 4, 9], "in_flight": [6], "gaps": [range(5, 10)]}
    assert 10 == consumer(driver.Consumer, **state)._new_offset(PARTITION)
    ours = consumer(Consumer, **state)
    assert 5 == ours._new_offset(PARTITION)
    assert [9] == ours._acked[PARTITION]


def test_holes_hold_nothing_up() -> None:
    """Transaction markers have offsets and are never delivered."""
    ours = consumer(Consumer, acked=[3, 5, 7], in_flight=[], gaps=[])
    assert 8 == ours._new_offset(PARTITION)
    assert [] == ours._acked[PARTITION]
    assert ours._new_offset(PARTITION) is None


async def test_holes_are_not_kept() -> None:
    """Faust notes each of them for good; behind a transactional producer there is one an event."""
    ours = consumer(Consumer, acked=[], in_flight=[], gaps=[])
    await ours._add_gap(PARTITION, 4, 5)
    assert not ours._gap[PARTITION]


def test_after_a_recovery_the_sources_wait_for_the_flow() -> None:
    """Faust resumes the sources before it seeks, so records read in between would be lost."""
    source, changelog = TP("cti.events", 3), TP("changelog", 3)

    ours = reading_with(Thread())
    ours._active_partitions, ours._paused_partitions = set(), {source, changelog}
    ours.can_resume_flow, ours.suspend_flow = asyncio.Event(), asyncio.Event()
    ours.resume_partitions({source, changelog})
    assert {changelog} == ours._active_partitions
    ours.resume_flow()
    assert {source, changelog} == ours._active_partitions
    assert set() == ours._held


async def test_a_fetch_under_way_keeps_its_partitions() -> None:
    """Faust empties the set when it pauses them; an empty set fetches, and loses, all."""
    thread = Thread()
    active = {PARTITION}
    await reading_with(thread)._getmany(active, 1.0)
    active.clear()
    assert [({PARTITION}, 1.0)] == thread.fetched


async def test_a_fetch_in_a_recovery_is_short() -> None:
    """It asks for changelogs only, and does not notice when the sources may be read again: Faust's
    waits a second for nothing after every restart."""
    thread = Thread()
    ours = reading_with(thread)
    await ours._getmany({TP("changelog", 3)}, 1.0)
    await ours._getmany({TP("changelog", 3), PARTITION}, 1.0)
    assert [0.02, 1.0] == [timeout for _, timeout in thread.fetched]


async def test_a_fetch_waits_for_short_until_a_recovery_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sources, resumed, wait for the fetch under way, which asks for changelogs; but to ask for
    all partitions that often costs an idle broker a third of its time."""

    async def revoked(*_: Any) -> None:
        pass

    monkeypatch.setattr(driver.Consumer, "on_partitions_revoked", revoked)
    monkeypatch.setattr(driver.Consumer, "resume_flow", lambda _: None)
    thread = Thread()
    ours = reading_with(thread)
    ours.app.before_commit = all_of_them
    ours._active_partitions, ours._paused_partitions = set(), set()
    ours.resume_flow()
    assert 500 == thread.fetch_ms
    await ours.on_partitions_revoked(set())
    assert 20 == thread.fetch_ms


async def test_who_gathers_asks_for_much_at_once(tmp_path: Path) -> None:
    """A role for which a moment is nothing is not woken for each record."""
    thread = object.__new__(ConsumerThread)
    thread.app = app_in(tmp_path, gathering_s=0.1)
    kafka = thread._create_worker_consumer(None)
    assert (100, 1024 * 1024) == (thread.app.fetching.most_ms, kafka._fetch_min_bytes)


def test_how_long_a_fetch_waits_is_for_aiokafka_to_know() -> None:
    """Which has no way to change it: the name must be the one that it reads."""
    assert "self._fetch_max_wait_ms" in getsource(Fetcher._get_actions_per_node)


async def test_a_pause_that_ends_is_noticed_at_once() -> None:
    """Faust sleeps for a second if no partition is active, even if one becomes active meanwhile."""
    thread = Thread()
    ours = reading_with(thread)
    ours._active_partitions, ours._paused_partitions = set(), {PARTITION}
    ours.can_resume_flow, ours.suspend_flow = asyncio.Event(), asyncio.Event()
    ours.flow_active, ours.not_waiting_next_records = True, asyncio.Event()

    async def pause(event: asyncio.Event, timeout: float) -> None:
        ours.resume_partitions({PARTITION})
        ours.resume_flow()
        assert event.is_set()

    ours.wait = pause
    await ours._wait_next_records(1.0)
    assert [{PARTITION}] == [active for active, _ in thread.fetched]


async def test_a_table_is_there_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust's table manager sleeps for a second before anything else begins."""
    begun: list[str] = []

    async def begin() -> None:
        begun.append("begun")

    async def sleep(*_: Any) -> None:
        begun.append("slept")

    ours = object.__new__(TableManager)
    monkeypatch.setattr(TableManager, "sleep", sleep)
    monkeypatch.setattr(TableManager, "recovery", SimpleNamespace(start=begin))
    monkeypatch.setattr(TableManager, "_update_channels", lambda _: begin())
    await ours.on_start()
    assert ["begun", "begun"] == begun


@pytest.mark.parametrize("blocks", [False, True])
async def test_what_is_taken_at_once_needs_no_task(blocks: bool) -> None:
    """A coroutine that finishes at once needs no task; any other runs as a task, as in Faust."""
    taken: list[int] = []
    room, stop = asyncio.Event(), asyncio.Event()

    async def take() -> None:
        if blocks:
            await room.wait()
        taken.append(len(asyncio.all_tasks()))

    tasks = len(asyncio.all_tasks())
    ours = reading_with(None)
    ours._loop = asyncio.get_running_loop()
    ours._stopped, ours._crashed = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().call_soon(room.set)
    await ours.wait_first(take(), stop.wait())
    assert [tasks < number for number in taken] == [blocks]


async def test_nobody_asks_how_full_faust_s_producer_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faust asks at each record, by way of its settings; nothing goes through that producer."""
    asked = []
    monkeypatch.setattr(ProducerBuffer, "size", property(lambda _: asked.append(True) or 0))
    app = app_in(tmp_path)
    await Producer(app.transport).buffer.wait_until_ebb()
    assert [True] == asked
    await app.producer.buffer.wait_until_ebb()
    assert [True] == asked


@pytest.mark.parametrize("flow_active", [True, False])
async def test_what_a_fetch_brings_too_late_is_given_back(
    monkeypatch: pytest.MonkeyPatch, flow_active: bool
) -> None:
    """Its partition was paused meanwhile, or a rebalance began: Faust would throw it away."""
    other = TP("changelog", 3)
    fetched = {PARTITION: [Message(5), Message(6)], other: [Message(0)]}

    async def fetch(*_: Any) -> Any:
        return fetched

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", fetch)

    @dataclass
    class Kafka:
        sought: dict[TP, int] = field(default_factory=dict)

        def assignment(self) -> set[TP]:
            return {PARTITION, other}

        def seek(self, tp: TP, offset: int) -> None:
            self.sought[tp] = offset

    thread, kafka = object.__new__(ConsumerThread), Kafka()
    thread.consumer = consumer(Consumer, [], [], [])
    thread.consumer.flow_active, thread.consumer._active_partitions = flow_active, {PARTITION}
    kept = await thread._fetch_records(kafka, {PARTITION, other})
    if flow_active:
        assert ({PARTITION: fetched[PARTITION]}, {other: 0}) == (kept, kafka.sought)
    else:
        assert ({}, {PARTITION: 5, other: 0}) == (kept, kafka.sought)


async def test_nothing_is_committed_before_all_that_came_of_it_is_safe() -> None:
    """Faust's flush gives up after 0.1 s and commits all the same."""

    @dataclass
    class Broken:
        async def before_commit(self, _partitions: set[int]) -> set[int]:
            raise BrokenOutbox("not safe")

    ours = consumer(Consumer, acked=[3], in_flight=[], gaps=[])
    ours.app = Broken()
    assert not await ours._commit_offsets({PARTITION: 4})


async def test_a_partition_that_is_not_safe_is_committed_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other partitions are committed now; this one follows with the next commit, up to the same
    offset."""
    safe = {1}
    committed: list[dict[TP, int]] = []

    async def commit(_: Any, offsets: dict[TP, int], *__: Any) -> bool:
        committed.append(offsets)
        return True

    async def before_commit(partitions: set[int]) -> set[int]:
        return partitions & safe

    monkeypatch.setattr(driver.Consumer, "_commit_offsets", commit)
    ours = consumer(Consumer, acked=[], in_flight=[], gaps=[])
    ours.app = SimpleNamespace(before_commit=before_commit)
    one, two = TP("calls", 1), TP("calls", 2)
    assert await ours._commit_offsets({one: 4, two: 7})
    safe.add(2)
    assert await ours._commit_offsets({one: 5})
    assert await ours._commit_offsets({one: 6})
    assert committed == [{one: 4}, {one: 5, two: 7}, {one: 6}]


async def test_a_process_with_records_under_way_after_a_rebalance_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would write them over what the partition's new owner writes."""

    async def revoked(*_: Any) -> None:
        pass

    async def before_commit(partitions: set[int]) -> set[int]:
        return partitions - {2}

    monkeypatch.setattr(driver.Consumer, "on_partitions_revoked", revoked)
    ours = reading_with(Thread())
    lease = ours.app.lease = Lease(6.0)
    ours.app.before_commit = before_commit
    await ours.on_partitions_revoked({TP("calls", 1)})
    assert not lease.holds()
    await ours.on_partitions_revoked({TP("calls", 1), TP("calls", 2)})
    with pytest.raises(Fenced, match=r"\[2\]"):
        lease.holds()


async def test_where_nothing_was_committed_reading_goes_back_to_the_beginning() -> None:
    """After a recovery, reading restarts at the committed offset, or at the first record if there
    is none. Faust leaves the position after the records fetched before. The recovery sets the
    positions of changelogs."""
    fresh, started, changelog = (TP(name, 3) for name in ("fresh", "started", "changelog"))
    begun: list[TP] = []

    class Thread:
        async def seek_to_committed(self) -> dict[TP, int | None]:
            return {fresh: None, started: 5, changelog: None}

        async def seek_to_beginning(self, *partitions: TP) -> None:
            begun.extend(partitions)

    class Tables:
        changelog_topics = frozenset({"changelog"})

    class App:
        tables = Tables()

    ours = object.__new__(Consumer)
    ours.app, ours._thread, ours.fetched = App(), Thread(), {("fresh", 3): 7}
    ours._read_offset, ours._committed_offset = {fresh: 7, started: 9}, {}
    await ours.perform_seek()
    assert [fresh] == begun
    assert {} == ours.fetched
    assert (None, 5) == (ours._read_offset[fresh], ours._read_offset[started])


async def test_a_key_goes_with_its_partition(tmp_path: Path) -> None:
    """Faust's store notes a key's partition in recovery only: a key that was set by an event would
    stay after its partition went to another process, and come back, old, with the partition."""
    app = app_in(tmp_path)
    table = app.Table("table", key_type=bytes, value_type=bytes, partitions=24)
    table.keep(b"gone", b"1", 3)
    table.keep(b"kept", b"2", 4)
    table.keep(b"deleted", b"3", 4)
    del table[b"deleted"]
    await table.data.on_recovery_completed({TP("changelog", 4)}, set())
    assert {b"kept": b"2"} == dict(table.data.data)
    assert {b"kept": 4} == table.data._key_partition
