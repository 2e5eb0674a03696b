"""Processes of the Twilio adapter that are killed, that share the work, or that cannot reach the
broker: no command is skipped, and no answer is lost."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession

from agents.twilio_adapter import service
from infra.local.kafka import LocalKafka, running
from infra.ports import chosen
from pipeline.runtime.kafka import ensure_topics, wait_for_kafka
from pipeline.runtime.settings import Settings
from schemas.records import CommandAnswered, StartDuplicateStream, StopDuplicateStream
from schemas.topics import STREAM_COMMANDS, STREAM_EVENTS
from tests.agents.twilio_double import ACCOUNT, TOKEN, TwilioDouble, twilio_double
from tests.integration.faust_roles import (
    Reader,
    RoleProcess,
    processes,
    publish,
    reading,
    role_running,
    until,
)

pytestmark = pytest.mark.integration

OUTAGE_S = 10.0
GATEWAY = "wss://gateway.example.com/media"


def _now() -> int:
    return time.time_ns() // 1_000_000


def _task(number: int) -> str:
    return f"WT{number:032x}"


def _leg(number: int) -> str:
    return f"CA{number:032x}"


def _start(number: int) -> StartDuplicateStream:
    return StartDuplicateStream(
        command_id=f"start:{number}",
        task_sid=_task(number),
        call_sid=_leg(number),
        generation=1,
        issued_at=_now(),
        expires_at=_now() + 120_000,
        reason="started",
        policy_version=1,
        direction="inbound",
        worker_marks=(),
        customer_marks=(),
    )


def _stop(number: int) -> StopDuplicateStream:
    return StopDuplicateStream(
        command_id=f"stop:{number}",
        task_sid=_task(number),
        call_sid=_leg(number),
        generation=1,
        stream_sid=None,
        name=None,
        issued_at=_now(),
        expires_at=_now() + 120_000,
        reason="stopped",
    )


@dataclass
class Bench:
    """Commands in, answers out; Twilio between."""

    settings: Settings
    twilio: TwilioDouble
    answers: Reader

    def process(self, instance: str, http: str = "127.0.0.1:0") -> RoleProcess:
        """An adapter's process, with its health at `http`."""
        return RoleProcess(
            self.settings, "twilio-adapter", "agents.twilio_adapter.service", instance,
            TWILIO_ACCOUNT_SID=ACCOUNT, TWILIO_AUTH_TOKEN=TOKEN, TWILIO_API_URL=self.twilio.url,
            GATEWAY_PUBLIC_URL=GATEWAY, HTTP_LISTEN=http,
        )  # fmt: skip

    async def command(self, *commands: StartDuplicateStream | StopDuplicateStream) -> None:
        """The commands are on their topic."""
        self.twilio.calls |= {c.call_sid: "in-progress" for c in commands if c.call_sid}
        await publish(self.settings, STREAM_COMMANDS, [(c.task_sid, c) for c in commands])

    async def answered(self, commands: Iterable[str]) -> dict[str, str]:
        """The outcome of each command, once all of these have one."""
        wanted = set(commands)
        found = await self.answers.until(
            lambda records: wanted <= {r.command_id for r in records if _is_answer(r)}, 120
        )
        return {r.command_id: r.outcome for r in found if _is_answer(r)}

    def running(self) -> list[str]:
        """The leg of each media stream that runs at Twilio."""
        running = [s for s in self.twilio.streams.values() if s["status"] == "in-progress"]
        return sorted(s["call"] for s in running)


async def _has_partitions(http: str) -> bool:
    """Whether the process with its health there has joined in."""
    try:
        async with ClientSession() as session, session.get(f"http://{http}/healthz") as answer:
            return answer.status == 200
    except ClientError:
        return False


def _is_answer(record: object) -> bool:
    return isinstance(record, CommandAnswered)


@contextlib.asynccontextmanager
async def _bench(settings: Settings) -> AsyncIterator[Bench]:
    async with twilio_double() as twilio:
        settings = settings.model_copy(update={"twilio_api_url": twilio.url})
        await ensure_topics(settings, [STREAM_COMMANDS])
        async with reading(settings, STREAM_EVENTS) as answers:
            yield Bench(settings, twilio, answers)


@pytest.fixture
async def bench(settings_for: Callable[..., Settings], prefix: str) -> AsyncIterator[Bench]:
    """On this run's broker."""
    async with _bench(settings_for(prefix)) as made:
        yield made


async def test_a_killed_process_leaves_its_commands_to_the_next(bench: Bench) -> None:
    """SIGKILL with requests under way, of which Twilio has done some: started again under the same
    name, it answers them all, and each leg has one media stream."""
    numbers = range(20)
    bench.twilio.hanging = asyncio.Event()
    process = bench.process("one")
    async with processes(process):
        await bench.command(*map(_start, numbers))
        await bench.twilio.until_asked("start", 10)
        await process.kill()
        bench.twilio.hanging.set()
        await process.start()
        outcomes = await bench.answered(f"start:{n}" for n in numbers)

    assert {f"start:{n}": "done" for n in numbers} == outcomes
    assert [_leg(n) for n in numbers] == bench.running()


async def test_two_processes_share_the_work_and_one_of_them_dies(bench: Bench) -> None:
    """Commands come while a second process joins, and while it is killed for good: each is
    answered, each call's stop comes after its start."""
    http = f"127.0.0.1:{chosen(['http'], {}, [])['http']}"
    first, second = bench.process("one"), bench.process("two", http)
    async with processes(first):
        await bench.command(*map(_start, range(20)))
        await bench.answered(f"start:{n}" for n in range(20))
        async with processes(second):
            await bench.command(*map(_start, range(20, 40)))
            await bench.answered(f"start:{n}" for n in range(40))
            await until(lambda: _has_partitions(http))
            await bench.command(*map(_stop, range(20)))
            await bench.twilio.until_asked("stop", 1)
            await second.kill()
            await bench.command(*map(_start, range(40, 50)))
            stops = [f"stop:{n}" for n in range(20)]
            outcomes = await bench.answered([*stops, *(f"start:{n}" for n in range(50))])

    assert {"done"} == set(outcomes.values())
    assert [_leg(n) for n in range(20, 50)] == bench.running()


async def test_a_shutdown_with_requests_under_way_is_clean(bench: Bench) -> None:
    """SIGTERM while Twilio does not answer: the exit status is 0, and the next process completes
    the commands."""
    bench.twilio.hanging = asyncio.Event()
    process = bench.process("one")
    async with processes(process):
        await bench.command(*map(_start, range(5)))
        await bench.twilio.until_asked("start", 5)
        assert 0 == await process.stop()
        bench.twilio.hanging.set()
        await process.start()
        outcomes = await bench.answered(f"start:{n}" for n in range(5))

    assert {"done"} == set(outcomes.values())
    assert [_leg(n) for n in range(5)] == bench.running()


async def test_a_broker_that_goes_away_loses_no_answer(
    settings_for: Callable[..., Settings], prefix: str, tmp_path: Path
) -> None:
    """It stops while Twilio is being asked, so that the answers cannot be written, and comes back
    after the group's session: the same process carries on."""
    ports = chosen(["kafka", "controller"], {}, [])
    local = LocalKafka(tmp_path / "kafka", ports["kafka"], ports["controller"])
    settings = settings_for(
        prefix,
        kafka_bootstrap_servers=local.bootstrap_servers,
        twilio_account_sid=ACCOUNT,
        twilio_auth_token=TOKEN,
        gateway_public_url=GATEWAY,
        instance="one",
    )
    with contextlib.ExitStack() as broker:
        broker.enter_context(running(local, tmp_path / "log"))
        await wait_for_kafka(settings, 60)
        async with _bench(settings) as bench, role_running(service.run, bench.settings):
            bench.twilio.hanging = asyncio.Event()
            await bench.command(*map(_start, range(10)))
            await bench.twilio.until_asked("start", 10)
            broker.close()
            bench.twilio.hanging.set()
            await until(lambda: 10 == len(bench.running()))
            await asyncio.sleep(OUTAGE_S)  # it is the outage that is tried here
            broker.enter_context(running(local, tmp_path / "log"))
            await wait_for_kafka(settings, 60)
            await bench.command(*map(_start, range(10, 15)))
            outcomes = await bench.answered(f"start:{n}" for n in range(15))

    assert {"done"} == set(outcomes.values())
    assert [_leg(n) for n in range(15)] == bench.running()


async def test_a_shutdown_without_a_broker_ends_too(
    settings_for: Callable[..., Settings], prefix: str, tmp_path: Path
) -> None:
    """The broker is gone and answers cannot be written: SIGTERM still ends the process cleanly, and
    the next one answers."""
    ports = chosen(["kafka", "controller"], {}, [])
    local = LocalKafka(tmp_path / "kafka", ports["kafka"], ports["controller"])
    settings = settings_for(prefix, kafka_bootstrap_servers=local.bootstrap_servers)
    with contextlib.ExitStack() as broker:
        broker.enter_context(running(local, tmp_path / "log"))
        await wait_for_kafka(settings, 60)
        async with _bench(settings) as bench, processes(process := bench.process("one")):
            bench.twilio.hanging = asyncio.Event()
            await bench.command(*map(_start, range(5)))
            await bench.twilio.until_asked("start", 5)
            broker.close()
            bench.twilio.hanging.set()
            await until(lambda: 5 == len(bench.running()))
            assert 0 == await process.stop()
            broker.enter_context(running(local, tmp_path / "log"))
            await wait_for_kafka(settings, 60)
            await process.start()
            outcomes = await bench.answered(f"start:{n}" for n in range(5))

    assert {"done"} == set(outcomes.values())
    assert [_leg(n) for n in range(5)] == bench.running()
