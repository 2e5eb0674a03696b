"""Faust's transport, with what is wrong in it for us put right. Each override has a test that
fails without it (`tests/agents/test_app.py`, `tests/integration/test_faust.py`).

- The consumer reads committed records only; under `at_least_once` Faust's own reads all.
- An offset is committed only up to the smallest one in flight (faust issue 606: it takes what lies
  between two acknowledged offsets for a gap), and only once all that came of it is on the broker.
- After a recovery nothing is read before the seek to the committed offsets (the beginning, where
  there is none), and what a fetch brings too late is given back: Faust loses records there.
- Nothing is produced through Faust: its flush gives up after 0.1 s. Our own producer does that.
- Topics are made by `pipeline.kafka.ensure_topics`, never here.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import aiokafka
import faust
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.transport.producer import Producer as NullProducer
from mode.threads import WorkerThread

from pipeline.kafka import consumer as kafka_consumer
from pipeline.settings import Settings


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
        # Before anything else: whatever these offsets caused must be safe.
        try:
            await self.app.before_commit()
        except ConnectionError:
            return False  # the role is ending; whoever comes next begins where it was
        done: bool = await super()._commit_offsets(offsets, start_new_transaction)
        self.commits += done
        return done

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:
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

    def resume_flow(self) -> None:
        """Sought, and the queues cleared: now the sources may flow."""
        held, self._held = self._held, set()
        super().resume_partitions(held)
        super().resume_flow()

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """A rebalance began."""
        self._held.clear()
        await super().on_partitions_revoked(revoked)

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

    def position_and_end(self, tp: Any) -> tuple[int | None, int | None]:
        """Where reading goes on, and the end of what may be read, as far as is known."""
        return self._thread.position_and_end(tp)  # type: ignore[no-any-return]

    async def create_topic(self, *_: Any, **__: Any) -> None:
        """Not here."""


class Worker(WorkerThread):  # type: ignore[misc]
    """The consumer's thread; one that hangs does not keep the process alive."""

    def __init__(self, service: Any, **options: Any) -> None:
        super().__init__(service, **options)
        self.daemon = True


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Makes the consumer as all of ours are made."""

    Worker = Worker

    def _create_worker_consumer(self, _transport: Any) -> aiokafka.AIOKafkaConsumer:
        app: App = self.app
        self._assignor = app.assignor
        return kafka_consumer(
            app.pipeline_settings,
            client_id=app.conf.broker_client_id,
            group_id=app.conf.id,
            partition_assignment_strategy=[self._assignor],
            max_poll_records=app.conf.broker_max_poll_records,
            max_poll_interval_ms=int(app.conf.broker_max_poll_interval * 1000),
            max_partition_fetch_bytes=app.conf.consumer_max_fetch_size,
            rebalance_timeout_ms=int(app.conf.broker_rebalance_timeout * 1000),
            request_timeout_ms=int(app.conf.broker_request_timeout * 1000),
        )

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: Any,
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> dict[Any, Any]:
        """A fetch may end when its partitions have been paused, or sought by a recovery that began
        meanwhile. Faust then throws the records away; given back, they are fetched again. (No other
        task of this loop runs between the fetch's end and the seek.)"""
        records = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        kept = {}
        for tp, batch in records.items():
            if self.consumer.flow_active and tp in self.consumer._active_partitions:  # noqa: SLF001
                kept[tp] = batch
            elif batch and tp in consumer.assignment():
                consumer.seek(tp, batch[0].offset)
        return kept

    def highwater(self, tp: Any) -> int | None:
        """The end of what a read-committed consumer may see, as far as is known."""
        end: int | None = self._ensure_consumer().last_stable_offset(tp)
        return end

    def position_and_end(self, tp: Any) -> tuple[int | None, int | None]:
        """See `Consumer`."""
        subscription = self._ensure_consumer()._subscription.subscription  # noqa: SLF001
        assignment = subscription and subscription.assignment
        if not assignment or tp not in assignment.tps:
            return None, None
        state = assignment.state_value(tp)
        return (state.position if state.has_valid_position else None), state.lso


class Producer(NullProducer):  # type: ignore[misc]
    """Sends nothing."""

    async def flush(self) -> None:
        """Nothing to flush."""

    async def create_topic(self, *_: Any, **__: Any) -> None:
        """Not here."""


class Transport(driver.Transport):  # type: ignore[misc]
    """Faust's transport with our consumer."""

    Consumer = Consumer
    Producer = Producer


class Table(faust.Table):  # type: ignore[misc]
    """A table whose changelog is written by the outbox instead of Faust's producer."""

    def on_key_set(self, key: bytes, value: bytes) -> None:  # noqa: ARG002
        """Notes the key's partition, which Faust's store does only in recovery: without it a key
        would outlive the loss of its partition."""
        self.data._key_partition[key] = self.partition_for_key(key)  # noqa: SLF001

    def on_key_del(self, key: bytes) -> None:
        """Forgets the key's partition."""
        self.data._key_partition.pop(key, None)  # noqa: SLF001


class App(faust.App):  # type: ignore[misc]
    """A Faust app on our transport. `before_commit` is awaited before each offset commit."""

    def __init__(
        self,
        app_id: str,
        *,
        pipeline: Settings,
        before_commit: Callable[[], Awaitable[None]],
        **options: Any,
    ) -> None:
        self.pipeline_settings = pipeline
        self.before_commit = before_commit
        super().__init__(app_id, **options)

    def _new_transport(self) -> Any:
        return Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> Any:
        return Transport(self.conf.broker_producer, self)
