"""The overrides of Faust's transport, each against Faust's own, which does it wrong."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.transport.drivers import aiokafka as driver
from faust.transport.producer import Producer, ProducerBuffer
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from agents.faust_runner.adapter.consumer_thread import Fetching
from agents.faust_runner.adapter.fencing import Fenced, Lease
from agents.faust_runner.adapter.transport import Consumer, committable
from agents.faust_runner.outbox import BrokenOutbox
from tests.agents.faust_runner.adapter.consumers import PARTITION, all_of_them, app_in, consumer


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


@pytest.mark.parametrize("blocks", [False, True])
async def test_records_that_are_taken_at_once_need_no_task(blocks: bool) -> None:
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


async def test_the_fill_level_of_fausts_producer_is_not_queried(
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


async def test_nothing_is_committed_before_all_that_came_of_it_is_safe() -> None:
    """Faust's flush gives up after 0.1 s and commits nevertheless."""

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
    """It would overwrite the records of the partition's new owner."""

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


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_no_commit_passes_an_offset_in_flight(acked: set[int], in_flight: set[int]) -> None:
    """Acknowledgements may come in any order, with or without gaps (faust issue 606)."""
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
