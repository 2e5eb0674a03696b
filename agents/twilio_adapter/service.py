"""The adapter towards Twilio: it carries out the commands of `stream.commands` and answers on
`stream.events`. It is the only role that starts or stops media streams, so a replay elsewhere
has no effects.

It is a plain consumer. It carries out commands in order per media stream, concurrently across media
streams, and commits up to the first command without an answer (see docs/architecture.md). A command
is done when its answer is safe on the broker. The next process repeats all other commands, which is
harmless.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import stamina
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError, KafkaTimeoutError

from agents.partition_lag import PartitionLag
from agents.stuck_work import end_if_stuck
from agents.twilio_adapter.arrivals import ArrivalWatch
from agents.twilio_adapter.client import TwilioApi
from agents.twilio_adapter.commands import Commands
from agents.twilio_adapter.lanes import CallLane, CommandItem, Lanes
from agents.twilio_adapter.request_gate import RequestGate
from agents.twilio_adapter.watch import AdapterWatch, Publishing
from pipeline.dead_letters import dead_letter
from pipeline.runtime.kafka import IDLE_FETCH_MS, consumer, producer
from pipeline.runtime.kafka_answers import until_answered
from pipeline.runtime.kafka_watch import using_kafka
from pipeline.runtime.log_clock import LogClock, log_clock
from pipeline.runtime.settings import Role, Settings
from pipeline.runtime.telemetry import Health
from pipeline.runtime.twilio_credentials import missing_for_requests
from schemas.codec import Undecodable, decode, encode
from schemas.records import StreamCommand
from schemas.topics import DEAD_LETTERS, STREAM_COMMANDS, STREAM_EVENTS, Topic

log = structlog.get_logger(__name__)

COMMIT_EVERY_S = 0.5
GRACE_S = 3.0
HANDING_OVER_S = 0.3
"""How long a rebalance waits for commands under way."""
LEAVE_S = 2.0
"""How long each step of the shutdown waits for Kafka, which may be unavailable."""
KAFKA_PATIENCE_S = 150.0
"""How long the process retries to publish an answer. Then it ends, and the next process repeats the
command."""
MOST_UNDER_WAY = 5_000


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Run the role twilio-adapter until `stop` is set. Without credentials it stays up with bad
    health and takes no commands."""
    account, credentials = settings.twilio_account_sid, settings.rest_credentials
    if account is None or credentials is None or not settings.ticket_secrets:
        missing = missing_for_requests(settings)
        log.warning("no Twilio credentials: no call will be recorded", missing=missing)
        health.bad("twilio", f"no Twilio credentials: set {missing}")
        health.good("starting")
        await stop.wait()
        return
    public_url = settings.need("gateway_public_url", "the URL that Twilio streams audio to")
    secret = settings.ticket_secrets[0]
    async with (
        log_clock(settings, health) as clock,
        using_kafka(
            settings,
            health,
            reads=[STREAM_COMMANDS, STREAM_EVENTS],
            writes=[STREAM_EVENTS, DEAD_LETTERS],
            groups=[Role.TWILIO_ADAPTER],
        ),
        TwilioApi(
            account, credentials, secret, settings.twilio_api_url, clock=clock.seconds
        ) as api,
    ):
        await clock.settled(stop)
        if stop.is_set():
            return
        gate = RequestGate(settings.twilio_concurrency, health, api.check_account)
        commands = Commands(api, gate, public_url, clock.now)
        await Adapter(settings, commands, health, clock, api.overdue).run(stop)


class Adapter(ConsumerRebalanceListener):  # type: ignore[misc]
    """Reads `stream.commands`, runs the commands in lanes, publishes answers on `stream.events`."""

    def __init__(
        self,
        settings: Settings,
        commands: Commands,
        health: Health,
        clock: LogClock,
        overdue: Callable[[], int | None],
    ) -> None:
        self._overdue = overdue
        self._settings = settings
        self._commands = commands
        self._health = health
        self._clock = clock
        self._arrivals = ArrivalWatch(settings, health, clock.now)
        self._topic = settings.prefixed(STREAM_COMMANDS.name)
        self._committed: dict[int, int] = {}
        self._fault: Exception | None = None
        self._faulty = asyncio.Event()
        self._consumer: AIOKafkaConsumer
        self._producer: AIOKafkaProducer
        self._lanes: Lanes
        self._publishing = Publishing()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set. Raise an error if Kafka can no longer be reached."""
        settings = self._settings
        self._producer = producer(settings, source=Role.TWILIO_ADAPTER, linger_ms=0)
        group = settings.prefixed(Role.TWILIO_ADAPTER)
        self._consumer = consumer(settings, group_id=group, fetch_max_wait_ms=IDLE_FETCH_MS)
        try:
            await until_answered(self._producer.start, "the producer's start", self._health)
            await self._work(stop)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        finally:
            await _within(LEAVE_S, self._producer.stop())

    async def _work(self, stop: asyncio.Event) -> None:
        self._consumer.subscribe([self._topic], listener=self)
        lag = PartitionLag(self._settings, Role.TWILIO_ADAPTER, [STREAM_COMMANDS], self._clock.now)
        async with asyncio.TaskGroup() as tasks:
            self._lanes = Lanes(tasks, self._carry_out, MOST_UNDER_WAY)
            watch = AdapterWatch(self._consumer, self._lanes, self._overdue, self._clock.now, lag)
            await until_answered(self._consumer.start, "joining the group", self._health)
            watching = tasks.create_task(end_if_stuck(watch.look, self._health))
            measuring = tasks.create_task(watch.measure_lag(), name="lag")
            reading = tasks.create_task(self._read(), name="read")
            committing = tasks.create_task(self._commit_now_and_then(), name="commit")
            intact = tasks.create_task(self._intact(), name="listener")
            arrivals = tasks.create_task(self._arrivals.follow(), name="arrivals")
            try:
                await stop.wait()
            finally:
                # 1. Take no new commands; 2. wait for those under way, then cancel them; 3. commit.
                reading.cancel()
                committing.cancel()
                intact.cancel()
                arrivals.cancel()
                watching.cancel()
                measuring.cancel()
                await self._lanes.end(GRACE_S)
                await self._commit_or_leave()
                await _within(LEAVE_S, self._consumer.stop())

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Continue the commands under way for the assigned partitions, and cancel those for others:
        their new owners repeat them."""
        partitions = {tp.partition for tp in assigned}
        with self._ending_if_it_fails():
            await self._lanes.keep(partitions)
            log.info("partitions assigned", partitions=sorted(partitions))
            self._health.good("starting")

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Commit the finished commands before Kafka reassigns the partitions, so that they are not
        repeated."""
        if revoked:
            with self._ending_if_it_fails():
                await self._lanes.settle(HANDING_OVER_S)
                await self._commit_or_leave()
                self._committed.clear()

    @contextlib.contextmanager
    def _ending_if_it_fails(self) -> Iterator[None]:
        # aiokafka only logs the errors of a listener, and continues.
        try:
            yield
        except Exception as error:  # noqa: BLE001 - any error of the listener ends the process
            self._fault = error
            self._faulty.set()

    async def _intact(self) -> None:
        """Wait for a rebalance to fail, and raise its error."""
        await self._faulty.wait()
        assert self._fault is not None
        raise self._fault

    async def _read(self) -> None:
        while True:
            await self._lanes.room()
            batches = await self._consumer.getmany(timeout_ms=1_000, max_records=500)
            for tp, records in batches.items():
                for record in records:
                    self._take(tp.partition, record)

    def _take(self, partition: int, record: Any) -> None:
        try:
            command = decode(record.value)
        except Undecodable as error:
            giving_up = self._give_up(partition, record, error)
            self._lanes.take_aside(partition, record.offset, giving_up)
            return
        if isinstance(command, StreamCommand):
            self._lanes.put(CommandItem(command, partition, record.offset, record.timestamp))
        else:
            self._lanes.skip(partition, record.offset)

    async def _give_up(self, partition: int, record: Any, error: Undecodable) -> None:
        log.error("command sent to dead letters", partition=partition, offset=record.offset)
        value, headers = dead_letter(
            reason="undecodable",
            detail=str(error),
            role=Role.TWILIO_ADAPTER,
            origin=self._topic,
            part=str(partition),
            position=str(record.offset),
            at=self._clock.now(),
            key=record.key,
            original=record.value or b"",
        )
        await self._publish(DEAD_LETTERS, value, record.key, headers)

    async def _carry_out(self, command: StreamCommand, lane: CallLane) -> None:
        answer = await self._commands.carry_out(command, lane)
        await self._publish(STREAM_EVENTS, encode(answer), command.task_sid.encode())
        self._arrivals.answered(answer)

    async def _publish(
        self,
        topic: Topic,
        value: bytes,
        key: bytes | None,
        headers: Sequence[tuple[str, bytes]] | None = None,
    ) -> None:
        """Return once the record is safe on the broker, however long its partition has no leader.
        Raise Kafka's error if Kafka refuses the record for `KAFKA_PATIENCE_S`."""
        name = self._settings.prefixed(topic.name)
        with self._publishing.to(name):
            async for attempt in stamina.retry_context(
                on=KafkaError, attempts=None, timeout=KAFKA_PATIENCE_S, wait_max=2.0
            ):
                with attempt:
                    await self._send(name, value, key, headers)

    async def _send(
        self,
        name: str,
        value: bytes,
        key: bytes | None,
        headers: Sequence[tuple[str, bytes]] | None,
    ) -> None:
        while True:
            with contextlib.suppress(KafkaTimeoutError):  # no room yet for that partition
                await self._producer.send_and_wait(name, value, key, headers=headers)
                return

    async def _commit_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_EVERY_S)
            self._publishing.show(self._health)
            await self._commit()

    async def _commit_or_leave(self) -> None:
        """Commit, unless the broker does not answer: uncommitted commands are only repeated."""
        await _within(LEAVE_S, self._commit())

    async def _commit(self) -> None:
        ours = {tp.partition for tp in self._consumer.assignment()}
        news = {
            partition: offset
            for partition, offset in self._lanes.committable().items()
            if partition in ours and self._committed.get(partition) != offset
        }
        if not news:
            return
        try:
            await self._consumer.commit(
                {TopicPartition(self._topic, p): o for p, o in news.items()}
            )
        except (CommitFailedError, IllegalStateError):
            # Harmless: their new owner starts earlier.
            log.info("offsets not committed: the partitions have moved")
        except KafkaError as error:
            log.warning("offsets not committed; trying again soon", error=repr(error))
        else:
            self._committed |= news


async def _within(seconds: float, step: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await step
    except TimeoutError:
        log.warning("Kafka does not answer: ending without it", seconds=seconds)
    except asyncio.CancelledError:
        # aiokafka's consumer raises it when it is stopped while it waits to fetch again.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
