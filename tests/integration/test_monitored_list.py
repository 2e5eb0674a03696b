"""The monitored list on a real Kafka: published, held back, accepted, read."""

import asyncio
from collections.abc import Callable

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from agents import stream_manager
from agents.policy_publisher import PolicyPublisher
from agents.policy_topic import reading_policy
from agents.twilio_adapter import service
from cli.policy import accept
from pipeline.runtime.kafka import consumer, ensure_topics
from pipeline.runtime.kafka_security import client_arguments
from pipeline.runtime.log_clock import machine_clock
from pipeline.runtime.telemetry import Health
from schemas.codec import decode
from schemas.records import CommandAnswered, RecordingDecided
from schemas.topics import CALLS, POLICY
from tests.integration.stream_bench import Bench, active_call, role
from tests.pipeline.streams.calls import ANN

pytestmark = pytest.mark.integration


async def test_publishers_agree_on_one_version(bench: Bench) -> None:
    """Two processes that see the same file publish it once; a wrong list is not taken."""
    path = bench.settings.monitored_agents
    assert path is not None
    async with asyncio.timeout(60), reading_policy(bench.settings) as reader:
        health = Health()
        publishers = [
            PolicyPublisher(bench.settings, reader, health, machine_clock) for _ in range(2)
        ]
        async with asyncio.TaskGroup() as tasks:
            for publisher in publishers:
                tasks.create_task(publisher.begin())
        await reader.catch_up()
        assert 1 == reader.history.latest.version
        path.write_text("what is this\n")
        for publisher in publishers:
            await publisher.begin()
        await reader.catch_up()
        assert ((ANN,), 1) == (reader.history.latest.entries, reader.history.latest.version)
        assert "line 1" in health.reasons["monitored-list"]
    assert 1 == POLICY.partitions


async def test_an_emptied_list_stops_nothing_until_it_is_accepted(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """Health is bad and names the entries that would be lost, and the recording continues. After
    the command accepts the list, the recording stops, and nothing is left to accept."""
    path = bench.settings.monitored_agents
    assert path is not None
    async with (
        asyncio.timeout(120),
        role(stream_manager.run, bench.settings) as health,
        role(service.run, bench.settings),
    ):
        await bench.publish(CALLS, active_call())
        answer = await bench.until(CommandAnswered, lambda r: r.outcome == "done")
        await bench.gateway_takes(answer)
        assert 1 == await asyncio.to_thread(accept, bench.settings)
        path.write_text("")
        await until(lambda: "monitored-list" in health.reasons)
        assert f"would lose 1 of 1 entries ({ANN})" in health.reasons["monitored-list"]
        await asyncio.sleep(5)
        assert not [r for r in bench.published if getattr(r, "decision", "") == "stop"]

        assert 0 == await asyncio.to_thread(accept, bench.settings)
        stopped = await bench.until(RecordingDecided, lambda r: r.decision == "stop")
        await until(lambda: not health.reasons)
        assert 1 == await asyncio.to_thread(accept, bench.settings)
    assert "stopped: no longer on the list" == stopped.reason
    assert f"- {ANN}" in capsys.readouterr().out


async def test_a_removed_setting_is_held_back_over_a_restart(bench: Bench) -> None:
    """The new process finds entries in force and no list of its own: they stay in force."""
    async with asyncio.timeout(60), role(stream_manager.run, bench.settings):
        pass
    settings = bench.settings.model_copy(
        update={"monitored_agents": None, "list_shrink_seconds": 8.0}
    )
    stop, health = asyncio.Event(), Health()
    async with asyncio.timeout(90), asyncio.TaskGroup() as tasks:
        tasks.create_task(stream_manager.run(settings, health, stop))
        await until(lambda: "would lose 1 of 1" in health.reasons.get("monitored-list", ""))
        await bench.publish(CALLS, active_call())
        await bench.until(RecordingDecided, lambda r: r.decision == "record")
        await bench.until(RecordingDecided, lambda r: r.decision == "stop")
        stop.set()


async def test_a_hundred_thousand_entries_are_published_and_read(bench: Bench) -> None:
    """In several records of one version, each well below what Kafka takes; read as one list."""
    path = bench.settings.monitored_agents
    assert path is not None
    entries = [f"agent{n:06d}@subsidiary.example.com" for n in range(100_000)]
    path.write_text("\n".join(entries))
    async with asyncio.timeout(120), reading_policy(bench.settings) as reader:
        health = Health()
        publisher = PolicyPublisher(bench.settings, reader, health, machine_clock)
        await publisher.begin(60)
        await reader.catch_up()
        assert tuple(entries) == reader.history.latest.entries
        await publisher.look()
        assert {} == health.reasons
    name = bench.settings.prefixed(POLICY.name)
    async with consumer(bench.settings, name) as source:
        first = await source.getone()
    assert decode(first.value).parts > 1
    assert len(first.value) < 1_000_000


async def test_a_lost_topic_is_noticed_and_the_list_published_again(bench: Bench) -> None:
    """Its number is above all that running processes know; none of them ignores it."""
    async with asyncio.timeout(120), reading_policy(bench.settings) as reader:
        health = Health()
        publisher = PolicyPublisher(bench.settings, reader, health, machine_clock)
        await publisher.begin()
        await reader.catch_up()
        admin = AIOKafkaAdminClient(**client_arguments(bench.settings))
        await admin.start()
        await admin.delete_topics([bench.settings.prefixed(POLICY.name)])
        await admin.close()
        await asyncio.sleep(2)
        await ensure_topics(bench.settings, [POLICY])
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(w) for w in (reader.follow(), publisher.watch())]
            await until(lambda: reader.history.latest.version == 2, 60)
            for task in beside:
                task.cancel()
        async with reading_policy(bench.settings) as fresh:
            assert (2, (ANN,)) == (fresh.history.latest.version, fresh.history.latest.entries)


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - Health has nothing to wait on
            await asyncio.sleep(0.05)
