"""Faust's transport, with corrections. Each override has a test that fails without it, in
tests/agents/faust_runner/adapter/test_transport.py (T) or tests/integration/test_faust.py (I).

- The consumer reads committed records only; Faust's own reads all under `at_least_once`.
  (`_create_worker_consumer`; I: only_committed_records_are_handled)
- The lease follows the consumer's group membership; all writing needs it.
  (`_create_worker_consumer`; I: a_process_that_was_stopped_writes_nothing_over_its_successor)
- An offset is committed only up to the smallest one in flight (faust issue 606: Faust treats the
  offsets between two acknowledged ones as a gap), and only once all its results are on the broker,
  partition by partition. (`_new_offset`, `_add_gap`, `_commit_offsets`; T:
  an_offset_in_flight_is_not_committed, holes_hold_nothing_up, holes_are_not_kept,
  nothing_is_committed_before_...)
- After a recovery nothing is read before the seek to the committed offsets, or to the beginning if
  there are none (`resume_partitions`, `resume_flow`, `perform_seek`; T: after_a_recovery_...,
  where_nothing_was_committed_...), and records that a fetch delivers too late are fetched again
  (`_getmany`, `_fetch_records`; T: a_fetch_under_way_keeps_its_partitions,
  what_a_fetch_brings_too_late_...). Faust loses these records.
- Records are handed on without a task each, and without asking whether Faust's producer keeps up.
  (`wait_first`, `Producer`; T: what_is_taken_at_once_needs_no_task, nobody_asks_how_full_...)
- While a backlog is worked off, the other tasks of the loop get a turn once in 5 ms; Faust gives
  them one before each event. (`loop_turns`; tests/agents/faust_runner/adapter/test_loop_turns.py)
- A key is removed together with its partition. (`Table.keep`, `on_key_del`; T:
  a_key_goes_with_its_partition)
- An empty fetch is short during a recovery and long otherwise. (`resume_flow`,
  `on_partitions_revoked`; T: a_fetch_waits_for_short_until_a_recovery_is_over)
- A recovery waits until Kafka answers. Faust's crashes the app if an offset has no answer within
  the request time-out. If its own limit of the same length is over first, the recovery ends, and
  nothing is read any more. (`ConsumerThread.on_start`, `TableRecovery`;
  tests/agents/faust_runner/adapter/test_tables.py)
- Three waits of one second are removed: a restarted process does nothing during them.
  (`_wait_next_records`, `_getmany`, `TableManager`; T: a_pause_that_ends_is_noticed_at_once,
  a_fetch_in_a_recovery_is_short, a_table_is_there_at_once)
- Nothing is produced through Faust, because its flush gives up after 0.1 s. Our own producer is
  used.
- Topics are created by `pipeline.runtime.kafka.ensure_topics`, never here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any

import faust
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.transport.producer import Producer as NullProducer

from agents.faust_runner.adapter.consumer_thread import (
    RECOVERING_FETCH_MS,
    ConsumerThread,
    Fetching,
)
from agents.faust_runner.adapter.fencing import Lease
from pipeline.runtime.eager import Unfinished, begin
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health

_LOOKS_IN_A_REBALANCE = 5
"""How many times, one second each, a rebalance waits for pending results to become safe."""


def committable(acked: Iterable[int], in_flight: Iterable[int]) -> int | None:
    """Return the offset to commit: the smallest in flight, else the one after the greatest
    acknowledged; None if no offset below it was acknowledged."""
    done = list(acked)
    if not done:
        return None
    limit = min(in_flight, default=max(done) + 1)
    below = [offset for offset in done if offset < limit]
    return min(limit, max(below) + 1) if below else None


class Consumer(driver.Consumer):  # type: ignore[misc]
    """Commits the offsets of handled records once their results are safe."""

    app: "App"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fetched: dict[tuple[str, int], int] = {}
        self._held: set[Any] = set()
        self._unsafe: dict[Any, int] = {}
        self._resumed = asyncio.Event()
        self.commits = 0

    def _new_consumer_thread(self) -> Any:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _new_offset(self, tp: Any) -> int | None:
        acked = self._acked[tp]
        in_flight = [m.offset for m in self._unacked_messages if m.tp == tp and not m.acked]
        offset = committable(acked, in_flight)
        if offset is not None:
            acked[:] = [o for o in acked if o >= offset]
            self._acked_index[tp].intersection_update(acked)
        return offset

    async def _add_gap(self, tp: Any, offset_from: int, offset_to: int) -> None:
        """Do nothing: offsets that were never delivered delay no commit; see `committable`."""

    async def _commit_offsets(
        self, offsets: Mapping[Any, int], start_new_transaction: bool = True
    ) -> bool:
        # First, all results of these offsets must be safe. Partitions with results that are not
        # safe yet are committed later; the others now.
        due = {**self._unsafe, **offsets}
        try:
            safe = await self.app.before_commit({tp.partition for tp in due})
        except ConnectionError:
            return False  # the role is ending; its successor continues from the old offsets
        self._unsafe = {tp: offset for tp, offset in due.items() if tp.partition not in safe}
        offsets = {tp: offset for tp, offset in due.items() if tp.partition in safe}
        done: bool = await super()._commit_offsets(offsets, start_new_transaction)
        self.commits += done
        return done

    async def wait_first(self, *coros: Any, timeout: Any = None) -> Any:
        """Hand a record on without tasks if its queue has room.

        Faust's fetcher hands each record on while it listens for a stop of the flow, and creates
        two tasks for that.
        """
        handing_on, *others = coros
        if timeout is None and asyncio.iscoroutine(handing_on):
            begun = begin(handing_on)
            if not isinstance(begun, Unfinished):
                for other in others:
                    other.close()
                return None
            handing_on = begun.finish()
        return await super().wait_first(handing_on, *others, timeout=timeout)

    async def _wait_next_records(self, timeout: float) -> Any:
        """Return as soon as there are partitions to read. Faust sleeps for a full second
        instead."""
        if self.flow_active and not self._get_active_partitions():
            self._resumed.clear()
            await self.wait(self._resumed, timeout=1.0)
            if not self._get_active_partitions():
                return {}, set()
        return await super()._wait_next_records(timeout)

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:
        # During a recovery only changelogs are read. A fetch that waits for them does not notice
        # when the sources may be read again, so it must be short.
        if all(map(self._is_changelog_tp, active_partitions)):
            timeout = min(timeout, RECOVERING_FETCH_MS / 1000)
        # A copy: Faust pauses partitions by emptying this set. aiokafka, which may be waiting with
        # the same set, takes an empty one to mean all partitions, and the records it returns are
        # discarded.
        records = await super()._getmany(frozenset(active_partitions), timeout)
        for tp, batch in records.items():
            if batch:
                self.fetched[tp.topic, tp.partition] = batch[-1].offset
        return records

    def resume_partitions(self, tps: Iterable[Any]) -> None:
        """Resume the changelogs; the sources' partitions wait until the flow is resumed.

        After a recovery Faust resumes the sources, seeks to the committed offsets, and clears the
        queues (`TableRecovery.on_recovery_completed`). Records read between the first and the last
        step are discarded, and when the seek delivers them again, they are taken for old ones and
        dropped: they are lost.
        """
        changelogs = {tp for tp in tps if self._is_changelog_tp(tp)}
        self._held |= set(tps) - changelogs
        super().resume_partitions(changelogs)
        self._resumed.set()

    def resume_flow(self) -> None:
        """Resume the sources, now that the offsets are sought and the queues cleared."""
        held, self._held = self._held, set()
        super().resume_partitions(held)
        super().resume_flow()
        self._resumed.set()
        self._thread.fetch_for(self.app.fetching.most_ms)

    def on_buffer_drop(self, tp: Any) -> None:
        """Continue reading: a stream's queue has room again."""
        super().on_buffer_drop(tp)
        self._resumed.set()

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Wait for pending results when a rebalance begins.

        Pending results must not overwrite those of the next owner. A process that still has some
        when the waiting ends must end itself.
        """
        self._held.clear()
        self._thread.fetch_for(RECOVERING_FETCH_MS)
        await super().on_partitions_revoked(revoked)
        self._unsafe.clear()
        unsafe: Collection[int] = {tp.partition for tp in revoked}
        try:
            for _ in range(_LOOKS_IN_A_REBALANCE):
                unsafe = set(unsafe) - set(await self.app.before_commit(unsafe))
        except ConnectionError:
            return  # the role is ending
        if unsafe:
            self.app.lease.lose(f"partitions move with results pending for {sorted(unsafe)}")

    async def perform_seek(self) -> None:
        """Seek so that records which were fetched and not handled are fetched again.

        Partitions without a committed offset start from the beginning: aiokafka keeps their
        position, and Faust counts failed commits as done.
        """
        self.fetched.clear()
        committed = await self.seek_to_committed()
        offsets = {ensure_TP(tp): offset or None for tp, offset in committed.items()}
        fresh = [tp for tp, offset in committed.items() if not offset]
        if sources := [tp for tp in fresh if not self._is_changelog_tp(tp)]:
            await self._thread.seek_to_beginning(*sources)
        self._read_offset.update(offsets)
        self._committed_offset.update(offsets)

    def highwater(self, tp: Any) -> None:
        """Do nothing. Faust calls this for each record, for the monitor that we removed."""

    def rejoin(self) -> None:
        """Ask the group to assign its partitions again."""
        self._thread.rejoin()

    def position_and_end(self, tp: Any) -> tuple[int | None, int | None]:
        """Return the next offset to read and the end of the readable records; None if not known."""
        return self._thread.position_and_end(tp)  # type: ignore[no-any-return]

    def has_leader(self, tp: Any) -> bool:
        """Return whether the partition has a leader, according to the cached metadata."""
        return self._thread.has_leader(tp)  # type: ignore[no-any-return]

    async def create_topic(self, *_: Any, **__: Any) -> None:
        """Do nothing; see the module's docstring."""


class Producer(NullProducer):  # type: ignore[misc]
    """Faust's producer, which sends nothing."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Awaited for each record. Faust's own version computes through its settings how full the
        # buffer is.
        self.buffer.wait_until_ebb = self.flush

    async def flush(self) -> None:
        """Do nothing: nothing is buffered."""

    async def create_topic(self, *_: Any, **__: Any) -> None:
        """Do nothing; see the module's docstring."""


class Transport(driver.Transport):  # type: ignore[misc]
    """Faust's transport with our consumer and producer."""

    Consumer = Consumer
    Producer = Producer


class App(faust.App):  # type: ignore[misc]
    """A Faust app that uses our transport.

    - `before_commit` is awaited before each offset commit with partitions, and returns those that
      may be committed.
    - `lease` follows the consumer's membership in the group.
    - `health` shows which requests Kafka does not answer.
    - `fetching` says when the broker answers a fetch.
    """

    def __init__(
        self,
        app_id: str,
        *,
        pipeline: Settings,
        before_commit: Callable[[Collection[int]], Awaitable[Collection[int]]],
        lease: Lease,
        health: Health,
        fetching: Fetching,
        **options: Any,
    ) -> None:
        self.pipeline_settings = pipeline
        self.before_commit = before_commit
        self.lease = lease
        self.health = health
        self.fetching = fetching
        super().__init__(app_id, **options)

    def on_init_dependencies(self) -> Any:
        """Remove Faust's monitor: it measures every event, and nothing reads the result."""
        services = super().on_init_dependencies()
        self.sensors.remove(self.monitor)
        return services

    def _new_transport(self) -> Any:
        return Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> Any:
        return Transport(self.conf.broker_producer, self)
