"""The thread that runs Faust's consumer. It creates the consumer with our common settings, and
loses no fetched records. `transport.py` lists all corrections."""

from time import monotonic
from typing import Any

import aiokafka
from faust.transport.drivers import aiokafka as driver
from mode.threads import WorkerThread

from agents.faust_runner.adapter.fencing import keep
from pipeline.runtime.kafka import GATHERED_BYTES, IDLE_FETCH_MS
from pipeline.runtime.kafka import consumer as kafka_consumer
from pipeline.runtime.kafka_answers import until_answered
from schemas.fast_dataclass import dataclass

RECOVERING_FETCH_MS = 20
"""How long an empty fetch may take while a table recovers. Other partitions can be read only after
it ends."""


@dataclass(frozen=True, slots=True)
class Fetching:
    """When the broker answers a fetch: as soon as it has `least_bytes`, or after `most_ms`."""

    most_ms: int = IDLE_FETCH_MS
    least_bytes: int = 1

    @classmethod
    def gathered(cls, seconds: float) -> "Fetching":
        """Return settings that collect the records of `seconds` into one fetch."""
        return cls(round(seconds * 1000), GATHERED_BYTES)


class FetchWorker(WorkerThread):  # type: ignore[misc]
    """The consumer's thread. A daemon, so that it does not keep the process alive if it hangs."""

    def __init__(self, service: Any, **options: Any) -> None:
        super().__init__(service, **options)
        self.daemon = True


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Creates the consumer with the same settings as our other consumers."""

    Worker = FetchWorker

    async def on_start(self) -> None:
        """Connect, however long Kafka is away."""
        self._consumer = self._create_consumer(loop=self.thread_loop)
        self.time_started = monotonic()
        await until_answered(self._consumer.start, "joining the group", self.app.health)

    def _create_worker_consumer(self, _transport: Any) -> aiokafka.AIOKafkaConsumer:
        app = self.app
        self._assignor = app.assignor
        made = kafka_consumer(
            app.pipeline_settings,
            client_id=app.conf.broker_client_id,
            group_id=app.conf.id,
            partition_assignment_strategy=[self._assignor],
            max_poll_records=app.conf.broker_max_poll_records,
            max_poll_interval_ms=int(app.conf.broker_max_poll_interval * 1000),
            max_partition_fetch_bytes=app.conf.consumer_max_fetch_size,
            rebalance_timeout_ms=int(app.conf.broker_rebalance_timeout * 1000),
            request_timeout_ms=int(app.conf.broker_request_timeout * 1000),
            fetch_max_wait_ms=RECOVERING_FETCH_MS,
            fetch_min_bytes=app.fetching.least_bytes,
        )
        keep(app.lease, made)
        return made

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: Any,
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> dict[Any, Any]:
        """Fetch records, without those of partitions that are no longer active.

        Partitions may be paused, or a recovery may seek them, while a fetch is under way. Faust
        then discards the fetched records; here the consumer seeks back, so that they are fetched
        again. No other task of this loop runs between the end of the fetch and the seek.
        """
        records = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        kept = {}
        for tp, batch in records.items():
            if self.consumer.flow_active and tp in self.consumer._active_partitions:  # noqa: SLF001
                kept[tp] = batch
            elif batch and tp in consumer.assignment():
                consumer.seek(tp, batch[0].offset)
        return kept

    def verify_event_path(self, now: float, tp: Any) -> None:
        """Do nothing. Faust takes the times of events from a sensor that we do not use, and from
        five minutes after the start on it reports each partition with an unread record as an error.
        `watchdog` finds partitions that do not move."""

    def assignment(self) -> Any:
        """Return the assigned partitions; none before the consumer exists. Faust raises an error in
        the moment between the start of its consumer and that of the thread's."""
        return set() if self._consumer is None else super().assignment()

    def fetch_for(self, most_ms: int) -> None:
        """Set how long (ms) an empty fetch may take, from the next one on."""
        self._ensure_consumer()._fetcher._fetch_max_wait_ms = most_ms  # noqa: SLF001

    def rejoin(self) -> None:
        """See `Consumer.rejoin`."""
        coordinator = self._ensure_consumer()._coordinator  # noqa: SLF001
        self.thread_loop.call_soon_threadsafe(coordinator.request_rejoin)

    def position_and_end(self, tp: Any) -> tuple[int | None, int | None]:
        """See `Consumer.position_and_end`."""
        if self._consumer is None:
            return None, None
        subscription = self._consumer._subscription.subscription  # noqa: SLF001
        assignment = subscription and subscription.assignment
        if not assignment or tp not in assignment.tps:
            return None, None
        state = assignment.state_value(tp)
        return (state.position if state.has_valid_position else None), state.lso

    def has_leader(self, tp: Any) -> bool:
        """See `Consumer.has_leader`."""
        if self._consumer is None:
            return False
        cluster = self._consumer._client.cluster  # noqa: SLF001
        return cluster.leader_for_partition(tp) not in (None, -1)
