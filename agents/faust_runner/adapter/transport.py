"""Faust's transport, with what is wrong in it for us put right. Each override has a test that
fails without it, in tests/agents/faust_runner/adapter/test_transport.py (T) or
tests/integration/test_faust.py (I).

- The consumer reads committed records only; under `at_least_once` Faust's own reads all.
  (`_create_worker_consumer`; I: only_committed_records_are_handled)
- Membership is watched, for the lease that all writing needs. (`_create_worker_consumer`;
  I: a_process_that_was_stopped_writes_nothing_over_its_successor)
- An offset is committed only up to the smallest one in flight (faust issue 606: it takes what lies
  between two acknowledged offsets for a gap), and only once all that came of it is on the broker:
  partition by partition.
  (`_new_offset`, `_add_gap`, `_commit_offsets`; T: an_offset_in_flight_is_not_committed,
  holes_hold_nothing_up, holes_are_not_kept, nothing_is_committed_before_...)
- After a recovery nothing is read before the seek to the committed offsets, or the beginning, where
  there is none (`resume_partitions`, `resume_flow`, `perform_seek`; T: after_a_recovery_...,
  where_nothing_was_committed_...), and what a fetch brings too late is given back (`_getmany`,
  `_fetch_records`; T: a_fetch_under_way_keeps_its_partitions, what_a_fetch_brings_too_late_...):
  Faust loses records there.
- Records are handed on without a task each, and without asking whether Faust's producer keeps up.
  (`wait_first`, `Producer`; T: what_is_taken_at_once_needs_no_task, nobody_asks_how_full_...)
- A key goes with its partition. (`Table.keep`, `on_key_del`;
  T: a_key_goes_with_its_partition)
- A fetch waits for short in a recovery, and else for long. (`resume_flow`,
  `on_partitions_revoked`; T: a_fetch_waits_for_short_until_a_recovery_is_over)
- Three waits of a second are left out, in which a restarted process does nothing.
  (`_wait_next_records`, `_getmany`, `TableManager`; T: a_pause_that_ends_is_noticed_at_once,
  a_fetch_in_a_recovery_is_short, a_table_is_there_at_once)
- Nothing is produced through Faust: its flush gives up after 0.1 s. Our own producer does that.
- Topics are made by `pipeline.runtime.kafka.ensure_topics`, never here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any

import faust
from faust.tables.manager import TableManager as FaustTableManager
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

_LOOKS_IN_A_REBALANCE = 5
"""So often a rebalance looks, for a second each, whether all that is under way is safe."""


def committable(acked: Iterable[int], in_flight: Iterable[int]) -> int | None:
    """The offset to commit: the smallest in flight, else the one after the greatest acknowledged;
    None where nothing was acknowledged below it."""
    done = list(acked)
    if not done:
        return None
    limit = min(in_flight, default=max(done) + 1)
    below = [offset for offset in done if offset < limit]
    return min(limit, max(below) + 1) if below else None


class Consumer(driver.Consumer):  # type: ignore[misc]
    """Commits what is done, when it is safe."""

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
        """Offsets that were never delivered hold nothing up: see `committable`."""

    async def _commit_offsets(
        self, offsets: Mapping[Any, int], start_new_transaction: bool = True
    ) -> bool:
        # Before anything else: whatever these offsets caused must be safe. A partition of which it
        # is not is committed later, and the others now.
        due = {**self._unsafe, **offsets}
        try:
            safe = await self.app.before_commit({tp.partition for tp in due})
        except ConnectionError:
            return False  # the role is ending; whoever comes next begins where it was
        self._unsafe = {tp: offset for tp, offset in due.items() if tp.partition not in safe}
        offsets = {tp: offset for tp, offset in due.items() if tp.partition in safe}
        done: bool = await super()._commit_offsets(offsets, start_new_transaction)
        self.commits += done
        return done

    async def wait_first(self, *coros: Any, timeout: Any = None) -> Any:
        """Faust's fetcher hands a record on while it listens for a stop of the flow, and makes two
        tasks for that. A record that is taken at once needs none."""
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
        """While there is nothing to read, Faust sleeps for a second, also when there is again."""
        if self.flow_active and not self._get_active_partitions():
            self._resumed.clear()
            await self.wait(self._resumed, timeout=1.0)
            if not self._get_active_partitions():
                return {}, set()
        return await super()._wait_next_records(timeout)

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:
        # In a recovery only changelogs are read. A fetch that waits for them does not notice when
        # the sources may be read again: so it waits for short.
        if all(map(self._is_changelog_tp, active_partitions)):
            timeout = min(timeout, RECOVERING_FETCH_MS / 1000)
        # A copy: Faust pauses partitions by emptying this set, and to aiokafka, which may be
        # waiting with it, an empty set means all of them; what that gives is thrown away: lost.
        records = await super()._getmany(frozenset(active_partitions), timeout)
        for tp, batch in records.items():
            if batch:
                self.fetched[tp.topic, tp.partition] = batch[-1].offset
        return records

    def resume_partitions(self, tps: Iterable[Any]) -> None:
        """The sources' partitions wait until the flow is resumed.

        After a recovery Faust resumes them, seeks to the committed offsets, and clears the queues
        (`Recovery.on_recovery_completed`). What is read between the first and the last is thrown
        away, and what the seek brings again is then taken for old and dropped: records lost.
        """
        changelogs = {tp for tp in tps if self._is_changelog_tp(tp)}
        self._held |= set(tps) - changelogs
        super().resume_partitions(changelogs)
        self._resumed.set()

    def resume_flow(self) -> None:
        """Sought, and the queues cleared: now the sources may flow."""
        held, self._held = self._held, set()
        super().resume_partitions(held)
        super().resume_flow()
        self._resumed.set()
        self._thread.fetch_for(self.app.fetching.most_ms)

    def on_buffer_drop(self, tp: Any) -> None:
        """A stream's queue has room again."""
        super().on_buffer_drop(tp)
        self._resumed.set()

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """A rebalance began. What the others will do must not be overwritten by what is under way:
        a process that has something under way still at the end of it must end itself."""
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
            self.app.lease.lose(f"partitions move and Kafka does not take {sorted(unsafe)}")

    async def perform_seek(self) -> None:
        """What was fetched and not handled is fetched again, also where nothing was committed yet:
        aiokafka leaves the position there, and Faust believes in commits that failed."""
        self.fetched.clear()
        committed = await self.seek_to_committed()
        offsets = {ensure_TP(tp): offset or None for tp, offset in committed.items()}
        fresh = [tp for tp, offset in committed.items() if not offset]
        if sources := [tp for tp in fresh if not self._is_changelog_tp(tp)]:
            await self._thread.seek_to_beginning(*sources)
        self._read_offset.update(offsets)
        self._committed_offset.update(offsets)

    def highwater(self, tp: Any) -> None:
        """Asked at each record, for Faust's monitor, which is not there."""

    def rejoin(self) -> None:
        """Have the group share its partitions out anew."""
        self._thread.rejoin()

    def position_and_end(self, tp: Any) -> tuple[int | None, int | None]:
        """Where reading goes on, and the end of what may be read, as far as is known."""
        return self._thread.position_and_end(tp)  # type: ignore[no-any-return]

    def has_leader(self, tp: Any) -> bool:
        """Whether the partition can be read, as far as is known."""
        return self._thread.has_leader(tp)  # type: ignore[no-any-return]

    async def create_topic(self, *_: Any, **__: Any) -> None:
        """Not here."""


class Producer(NullProducer):  # type: ignore[misc]
    """Sends nothing."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Awaited at each record, and asks through Faust's settings how full the buffer is.
        self.buffer.wait_until_ebb = self.flush

    async def flush(self) -> None:
        """Nothing to flush."""

    async def create_topic(self, *_: Any, **__: Any) -> None:
        """Not here."""


class Transport(driver.Transport):  # type: ignore[misc]
    """Faust's transport with our consumer."""

    Consumer = Consumer
    Producer = Producer


class TableManager(FaustTableManager):  # type: ignore[misc]
    """Faust's, which sleeps for a second lest a table be declared late; ours is there."""

    async def on_start(self) -> None:
        """Begins at once."""
        await self._update_channels()
        await self.recovery.start()


class Table(faust.Table):  # type: ignore[misc]
    """A table whose changelog is written by the outbox instead of Faust's producer."""

    def keep(self, key: bytes, value: bytes, partition: int) -> None:
        """Sets a key, and notes its partition: Faust's store does that only in recovery, and a key
        would outlive the loss of its partition. Faust would ask the event in its stream for it;
        what is carried out later is in none."""
        self[key] = value
        self.data._key_partition[key] = partition  # noqa: SLF001

    def on_key_set(self, key: bytes, value: bytes) -> None:
        """Nothing more: see `keep`."""

    def on_key_del(self, key: bytes) -> None:
        """Forgets the key's partition."""
        self.data._key_partition.pop(key, None)  # noqa: SLF001


class App(faust.App):  # type: ignore[misc]
    """A Faust app on our transport. `before_commit` is awaited before each offset commit, and
    returns the partitions, of those given, that may be committed; `lease` follows the consumer's
    membership; `fetching` says how records are asked for."""

    def __init__(
        self,
        app_id: str,
        *,
        pipeline: Settings,
        before_commit: Callable[[Collection[int]], Awaitable[Collection[int]]],
        lease: Lease,
        fetching: Fetching,
        **options: Any,
    ) -> None:
        self.pipeline_settings = pipeline
        self.before_commit = before_commit
        self.lease = lease
        self.fetching = fetching
        super().__init__(app_id, **options)

    def on_init_dependencies(self) -> Any:
        """Without Faust's monitor, which measures every event for nobody."""
        services = super().on_init_dependencies()
        self.sensors.remove(self.monitor)
        return services

    def _new_transport(self) -> Any:
        return Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> Any:
        return Transport(self.conf.broker_producer, self)
