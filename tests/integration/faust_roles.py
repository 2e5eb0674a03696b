"""For tests of Faust roles on the real Kafka: a role in this process, and processes to kill."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer

from agents.faust_runner.core import Output, Step
from pipeline.runtime.kafka import consumer, ensure_topics, producer
from pipeline.runtime.log_clock import LogClock
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from schemas.codec import decode, encode
from schemas.records import CtiEvent
from schemas.topics import CALLS, Topic

_PROCESS = """
import asyncio, importlib
from pipeline.runtime.process import run_role
from pipeline.runtime.settings import load
role = importlib.import_module({module!r})
asyncio.run(run_role({role!r}, role.run, load(None)))
"""


class Collecting:
    """The state of a key is its last event, with the ids of all before it; published."""

    def on_record(self, key: str, state: CtiEvent | None, record: CtiEvent, now: int) -> Any:
        seen = state.body.split() if state else []
        if record.event_id in seen:
            return Step(state)
        body = " ".join([*seen, record.event_id])
        after = event(record.event_id, key, body)
        return Step(after, (Output(CALLS, key, after),))

    def on_tick(self, key: str, state: CtiEvent, now: int) -> Any:
        return Step(state)

    def wakes_at(self, state: CtiEvent) -> int | None:
        return None


def settled_clock() -> LogClock:
    """Return a settled clock that follows the machine's clock."""
    clock = LogClock()
    clock.follow_machine()
    return clock


def event(event_id: str, key: str = "WT1", body: str = "{}") -> CtiEvent:
    """An event of any kind."""
    return CtiEvent(event_id, "s", "t", None, 5, key, None, body, "k", "0", "1")


def bodies(records: Sequence[Any]) -> list[str]:
    """What `Collecting` says in each."""
    return [record.body for record in records]


async def until(condition: Callable[[], Awaitable[bool] | bool], seconds: float = 60) -> None:
    """Returns once the condition holds."""
    async with asyncio.timeout(seconds):
        while True:
            answer = condition()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def role_running(
    main: Callable[[Settings, Health, asyncio.Event], Awaitable[None]], settings: Settings
) -> AsyncIterator[Health]:
    """The role in this process, ready; stopped at the end of the block."""
    health, stop = Health(starting="not yet"), asyncio.Event()

    async def running() -> None:
        await main(settings, health, stop)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(running())
        await until(lambda: not health.reasons or task.done())
        try:
            yield health
        finally:
            stop.set()


async def publish(
    settings: Settings, topic: Topic, records: Sequence[tuple[str, Any]], *, transaction: str = ""
) -> None:
    """Publish records on a topic under their keys, in one transaction if the transaction has a
    name."""
    await ensure_topics(settings, [topic])
    name = settings.prefixed(topic.name)
    options = {"transactional_id": settings.prefixed(transaction)} if transaction else {}
    sender = producer(settings, **options)
    await sender.start()
    try:
        if transaction:
            await sender.begin_transaction()
        for key, record in records:
            value = record if isinstance(record, bytes) else encode(record)
            await sender.send(name, value, key.encode())
        await (sender.commit_transaction() if transaction else sender.flush())
    finally:
        await sender.stop()


class Reader:
    """Collects the records of a topic."""

    def __init__(self, kafka_consumer: AIOKafkaConsumer) -> None:
        self._consumer = kafka_consumer
        self.records: list[Any] = []

    async def look(self) -> list[Any]:
        """All records so far."""
        found = await self._consumer.getmany(timeout_ms=50)
        for batch in found.values():
            self.records += [decode(message.value) for message in batch]
        return self.records

    async def until(self, condition: Callable[[list[Any]], bool], seconds: float = 60) -> list[Any]:
        """All records, once they satisfy the condition."""

        async def satisfied() -> bool:
            return condition(await self.look())

        await until(satisfied, seconds)
        return self.records


@asynccontextmanager
async def reading(settings: Settings, topic: Topic) -> AsyncIterator[Reader]:
    """A reader of the whole topic."""
    await ensure_topics(settings, [topic])
    kafka_consumer = consumer(settings, settings.prefixed(topic.name))
    await kafka_consumer.start()
    try:
        yield Reader(kafka_consumer)
    finally:
        await kafka_consumer.stop()


class RoleProcess:
    """A process of a role, as `up` would start it."""

    def __init__(
        self, settings: Settings, role: str, module: str, instance: str, **more: str
    ) -> None:
        self._arguments = ("-c", _PROCESS.format(module=module, role=role))
        self._environment = {
            "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS": str(settings.kafka_bootstrap_servers),
            "FLEXCAPTURE_TOPIC_PREFIX": settings.topic_prefix,
            "FLEXCAPTURE_STATE_DIR": str(settings.state_dir),
            "FLEXCAPTURE_INSTANCE": instance,
            "FLEXCAPTURE_LOG_LEVEL": "WARNING",
            "PYTHONPATH": ".",
            "PATH": "/usr/bin:/bin",
            **{f"FLEXCAPTURE_{name}": value for name, value in more.items()},
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process, also again after it was killed."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *self._arguments, env=self._environment
        )

    def send(self, number: signal.Signals) -> None:
        """A signal that does not end it."""
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Its exit status, once it ended by itself."""
        assert self._process is not None
        async with asyncio.timeout(60):
            return await self._process.wait()

    async def kill(self) -> None:
        """SIGKILL."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM; its exit status."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await self._process.wait()


class OwnRoleProcess(RoleProcess):
    """A process of `flexcapture run`."""

    def __init__(self, settings: Settings, module: str, instance: str) -> None:
        super().__init__(settings, "", module, instance, NO_ENV_FILE="1")
        self._arguments = ("-m", "cli.main", "run", module)


@asynccontextmanager
async def processes(*all_of_them: RoleProcess) -> AsyncIterator[None]:
    """Started; none is left at the end of the block."""
    try:
        for each in all_of_them:
            await each.start()
        yield
    finally:
        for each in all_of_them:
            await each.kill()
