"""Read contacts, keep the retrieval jobs that they require, and carry out those that are due."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import islice

import structlog
from aiokafka import (
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    TopicPartition,
)
from aiokafka.errors import KafkaError

from agents.faust_runner.sending import REFUSED
from agents.partition_lag import Offsets, PartitionLag, read_and_ends
from agents.rebalance_guard import RebalanceGuard
from agents.retriever.attempts import Attempts
from agents.retriever.dead_letters import send_dead_letter
from agents.retriever.jobs_log import read_jobs, write_job
from agents.retriever.metrics import JOBS, OLDEST_JOB
from agents.retriever.steps import WorkSteps
from agents.stuck_work import LIMITS, Limits, end_if_stuck
from pipeline.recovery.job_table import JobTable
from pipeline.recovery.jobs import Timing, after_contact, is_expired, with_latest
from pipeline.recovery.wanted import Recovery
from pipeline.runtime import kafka
from pipeline.runtime.kafka_answers import until_answered
from pipeline.runtime.log_clock import LogClock
from pipeline.runtime.partition_reading import ReadingOrder
from pipeline.runtime.settings import Role, Settings
from pipeline.runtime.telemetry import Health
from pipeline.twilio.check_tasks import is_check_task
from schemas.codec import Undecodable, decode
from schemas.records import Contact, RetrievalJob
from schemas.topics import CONTACTS

log = structlog.get_logger(__name__)

POLL_MS = 200
POLL_RECORDS = 500
FORGET_EVERY_S = 600.0
FORGOTTEN_AT_ONCE = 100
COMMIT_TIMEOUT_S = 5.0
ATTEMPTS_AT_ONCE = 4


class Retriever(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """The retriever's loop: poll, fold contacts into jobs, write the jobs, commit, begin due
    attempts.

    Attempts run beside the loop, at most one for each call. The loop writes their results.
    """

    def __init__(
        self,
        settings: Settings,
        producer: AIOKafkaProducer,
        attempts: Attempts,
        clock: LogClock,
        *,
        recovery: Recovery,
        timing: Timing,
        steps: WorkSteps,
        limits: Limits = LIMITS,
    ) -> None:
        self._settings = settings
        self._producer = producer
        self._attempts = attempts
        self._clock = clock
        self._recovery = recovery
        self._timing = timing
        self._steps = steps
        self._limits = limits
        self._consumer: AIOKafkaConsumer = kafka.consumer(
            settings,
            group_id=settings.prefixed(Role.RETRIEVER),
            fetch_max_wait_ms=kafka.IDLE_FETCH_MS,
        )
        self._jobs = JobTable()
        self._running: dict[str, asyncio.Task[RetrievalJob]] = {}
        self._waiting: dict[TopicPartition, int] = {}
        self._reading = ReadingOrder()
        self._forget_at = 0.0
        self._guard = RebalanceGuard()

    async def run(self, health: Health, stop: asyncio.Event) -> None:
        """Work until `stop` is set. Attempts under way are then given up, and begun again later."""
        self._consumer.subscribe([self._settings.prefixed(CONTACTS.name)], listener=self)
        try:
            await until_answered(self._consumer.start, "joining the group", health)
            health.good("starting")
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(
                    end_if_stuck(self._steps.slowest, health, self._limits)
                )
                lag = PartitionLag(self._settings, Role.RETRIEVER, [CONTACTS], self._clock.now)
                measuring = tasks.create_task(lag.measure(self._places))
                while not stop.is_set():
                    await self._round()
                watching.cancel()
                measuring.cancel()
        finally:
            await self._give_up()
            await self._consumer.stop()

    async def on_partitions_revoked(
        self,
        revoked: set[TopicPartition],  # noqa: ARG002  # always all partitions
    ) -> None:
        """Give up running attempts: another retriever continues their jobs."""
        self._guard.beginning()
        async with self._guard.between():
            await self._give_up()
            self._let_go()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Begin with the jobs of the partitions."""
        async with self._guard.between(assigned=True):
            self._let_go()
        log.info("partitions assigned", partitions=sorted(tp.partition for tp in assigned))

    def _let_go(self) -> None:
        self._jobs.clear()
        self._waiting.clear()
        self._reading.forget()
        self._forget_at = 0.0

    async def _give_up(self) -> None:
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._running.clear()

    async def _round(self) -> None:
        messages = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
        async with self._guard.round() as is_current:
            if not is_current:
                return  # read before a rebalance: the partition's new owner reads it again
            with self._steps.step("reading or writing Kafka") as moved:
                await self._handle(messages, moved)
        self._export()

    async def _handle(
        self,
        messages: Mapping[TopicPartition, Sequence[ConsumerRecord]],
        moved: Callable[[], None],
    ) -> None:
        # 1. Read the jobs. 2. Write the jobs that contacts begin or change. 3. Only then commit.
        # 4. Write the results of attempts. 5. Forget old jobs. 6. Begin due attempts.
        await self._read_jobs(moved)
        offsets: dict[TopicPartition, int] = {}
        for tp, records in messages.items():
            if tp.partition not in self._jobs:
                self._wait_for_leader(tp, records[0].offset)
                continue
            for record in records:
                await self._take(tp.partition, record)
                moved()
            offsets[tp] = records[-1].offset + 1
        await self._commit(offsets)
        await self._finish()
        await self._forget()
        self._begin()

    async def _read_jobs(self, moved: Callable[[], None]) -> None:
        missing = [tp.partition for tp in self._consumer.assignment()]
        missing = [number for number in missing if number not in self._jobs]
        loop = asyncio.get_running_loop()
        if not (due := self._reading.due(missing, loop.time())):
            return
        found = await read_jobs(self._settings, due, moved)
        self._reading.read(due, found, loop.time())
        self._jobs.load(found)
        for tp in [tp for tp in self._waiting if tp.partition in self._jobs]:
            self._consumer.seek(tp, self._waiting.pop(tp))
            self._consumer.resume(tp)

    async def _forget(self) -> None:
        """Forget jobs that have long been over, some in each round."""
        now = asyncio.get_running_loop().time()
        if now < self._forget_at:
            return
        at = self._clock.now()
        expired = (job.task_sid for job in self._jobs if is_expired(job, at))
        some = list(islice(expired, FORGOTTEN_AT_ONCE))
        for task_sid in some:
            await write_job(self._producer, self._settings, task_sid, None)
            self._jobs.remove(task_sid)
        if len(some) < FORGOTTEN_AT_ONCE:
            self._forget_at = now + FORGET_EVERY_S

    def _wait_for_leader(self, tp: TopicPartition, offset: int) -> None:
        """Read the contacts from `offset` again, once the partition's jobs are known."""
        self._consumer.pause(tp)
        self._waiting.setdefault(tp, offset)

    async def _take(self, partition: int, message: ConsumerRecord) -> None:
        if message.value is None:
            return
        try:
            contact = decode(message.value)
        except Undecodable as error:
            await send_dead_letter(
                self._producer, self._settings, message, str(error), self._clock.now()
            )
            return
        if not isinstance(contact, Contact) or is_check_task(contact.task_sid):
            return
        before = self._jobs.find(contact.task_sid)
        after = after_contact(before, contact, self._recovery, self._timing, self._clock.now())
        if after is not None:
            await self._write(partition, after)

    async def _write(self, partition: int, job: RetrievalJob) -> None:
        try:
            await write_job(self._producer, self._settings, job.task_sid, job)
        except REFUSED:  # concerns one call: it must not stop the others
            log.exception(
                "Kafka refuses a retrieval job; it is lost if this process ends before the job",
                task_sid=job.task_sid,
            )
        self._jobs.put(partition, job)

    async def _commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        if not offsets:
            return
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                await self._consumer.commit(offsets)
        except (KafkaError, TimeoutError) as error:  # harmless: contacts are read again
            log.info("offsets not committed", error=repr(error))

    async def _finish(self) -> None:
        """Write the results of attempts that have ended."""
        for task_sid, task in [(s, t) for s, t in self._running.items() if t.done()]:
            del self._running[task_sid]
            after = task.result()
            present = self._jobs.find(task_sid)
            assert present is not None
            now = self._clock.now()
            latest = with_latest(after, present, self._recovery, self._timing, now)
            await self._write(self._jobs.partition_of(task_sid), latest)

    def _begin(self) -> None:
        now = self._clock.now()
        for job in self._jobs.due(now, ATTEMPTS_AT_ONCE - len(self._running), self._running):
            self._running[job.task_sid] = asyncio.create_task(
                self._attempts.attempt(job, now), name=f"retrieval {job.task_sid}"
            )

    async def _places(self) -> tuple[Offsets, Offsets]:
        places, ends = await read_and_ends(self._consumer)
        return {**places, **self._waiting}, ends

    def _export(self) -> None:
        oldest = self._jobs.oldest_due()
        JOBS.set(self._jobs.waiting)
        OLDEST_JOB.set(0 if oldest is None else max(0, self._clock.now() - oldest) / 1000)
