"""The adapter towards Twilio: carries out the commands of `stream.commands`, answers on
`stream.events`. The only process that calls Twilio, so a replay elsewhere has no effects.

A plain consumer: in order per media stream, concurrent across them, committing up to the smallest
command that is not answered yet (see docs/architecture.md). A command is done when its answer is
safe on the broker; whatever is not is carried out again by the next process, which is harmless.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import stamina
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError, KafkaTimeoutError

from agents.stuck_work import end_if_stuck
from agents.twilio_adapter.arrivals import ArrivalWatch
from agents.twilio_adapter.client import TwilioApi
from agents.twilio_adapter.commands import Commands
from agents.twilio_adapter.lanes import CallLane, Item, Lanes
from agents.twilio_adapter.request_gate import Gate
from agents.twilio_adapter.watch import AdapterWatch, Publishing
from pipeline.dead_letters import dead_letter
from pipeline.runtime.kafka import IDLE_FETCH_MS, consumer, producer
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
"""For so long a rebalance waits for what is under way."""
LEAVE_S = 2.0
"""For so long each step of leaving waits for Kafka, which may be away."""
KAFKA_PATIENCE_S = 150.0
"""For so long an answer is tried to be written; then the process ends, and the next one repeats the
command."""
MOST_UNDER_WAY = 5_000


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """The role twilio-adapter. Without credentials it stays up, unhealthy, and takes no command."""
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
            group=Role.TWILIO_ADAPTER,
        ),
        TwilioApi(
            account, credentials, secret, settings.twilio_api_url, clock=clock.seconds
        ) as api,
    ):
        await clock.settled(stop)
        if stop.is_set():
            return
        gate = Gate(settings.twilio_concurrency, health, api.check_account)
        commands = Commands(api, gate, public_url, clock.now)
        await Adapter(settings, commands, health, clock, api.overdue).run(stop)


class Adapter(ConsumerRebalanceListener):  # type: ignore[misc]
    """From `stream.commands` through the lanes to `stream.events`."""

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
        """Works until `stop` is set. Raises where Kafka cannot be reached any more."""
        settings = self._settings
        self._producer = producer(settings, linger_ms=0)
        group = settings.prefixed(Role.TWILIO_ADAPTER)
        self._consumer = consumer(settings, group_id=group, fetch_max_wait_ms=IDLE_FETCH_MS)
        await self._producer.start()
        try:
            await self._work(stop)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        finally:
            await _within(LEAVE_S, self._producer.stop())

    async def _work(self, stop: asyncio.Event) -> None:
        self._consumer.subscribe([self._topic], listener=self)
        async with asyncio.TaskGroup() as tasks:
            self._lanes = Lanes(tasks, self._carry_out, MOST_UNDER_WAY)
            watch = AdapterWatch(self._consumer, self._lanes, self._overdue, self._clock.now)
            await self._consumer.start()
            watching = tasks.create_task(end_if_stuck(watch.look, self._health))
            measuring = tasks.create_task(watch.measure_lag(), name="lag")
            reading = tasks.create_task(self._read(), name="read")
            committing = tasks.create_task(self._commit_now_and_then(), name="commit")
            intact = tasks.create_task(self._intact(), name="listener")
            arrivals = tasks.create_task(self._arrivals.follow(), name="arrivals")
            try:
                await stop.wait()
            finally:
                # 1. No new commands; 2. those under way end or are left; 3. commit what is done.
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
        """Kafka shared the partitions out. What is under way for those that are ours, still or
        again, goes on; the rest is their new owners'."""
        partitions = {tp.partition for tp in assigned}
        with self._ending_if_it_fails():
            await self._lanes.keep(partitions)
            log.info("partitions assigned", partitions=sorted(partitions))
            self._health.good("starting")

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Kafka is about to share the partitions out anew: what is done is committed, so that
        nobody does it again."""
        if revoked:
            with self._ending_if_it_fails():
                await self._lanes.settle(HANDING_OVER_S)
                await self._commit_or_leave()
                self._committed.clear()

    @contextlib.contextmanager
    def _ending_if_it_fails(self) -> Iterator[None]:
        # aiokafka logs what a listener raises, and goes on as if nothing were wrong.
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, this process is done
            self._fault = error
            self._faulty.set()

    async def _intact(self) -> None:
        """Raises what a rebalance failed with."""
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
            burial = self._give_up(partition, record, error)
            self._lanes.take_aside(partition, record.offset, burial)
            return
        if isinstance(command, StreamCommand):
            self._lanes.put(Item(command, partition, record.offset, record.timestamp))
        else:
            self._lanes.skip(partition, record.offset)

    async def _give_up(self, partition: int, record: Any, error: Undecodable) -> None:
        log.error("command cannot be read", partition=partition, offset=record.offset)
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
        """Return once it is safe on the broker, however long its partition has no leader. Raises
        what Kafka refuses it with for too long."""
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
        """Commits, if the broker is there: what is not committed is only done again."""
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
            log.info("not committed: the partitions have moved")  # their new owner starts earlier
        except KafkaError as error:
            log.warning("not committed; tried again soon", error=repr(error))
        else:
            self._committed |= news


async def _within(seconds: float, step: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await step
    except TimeoutError:
        log.warning("Kafka does not answer: left without it")
    except asyncio.CancelledError:
        # aiokafka's consumer raises it when it is stopped while it waits to fetch again.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
