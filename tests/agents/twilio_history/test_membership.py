"""All processes of an installation share the permits for requests about calls that are over."""

import asyncio
import signal
import sys
from asyncio.subprocess import Process

import pytest

from infra.supervisor.processes import tied
from pipeline.runtime.kafka_start import ensure_topics
from schemas.topics import TWILIO_PERMITS
from tests.agents.twilio_history.counting_server import counting_server
from tests.conftest import SettingsFor

pytestmark = pytest.mark.integration
PERMITS = 4


async def sender(kafka: str, prefix: str, url: str, name: str, count: int) -> Process:
    program = "tests.agents.twilio_history.sender"
    command = [sys.executable, "-m", program, kafka, prefix, url, name, str(count)]
    return await asyncio.create_subprocess_exec(*tied(command))


async def test_processes_share_four_permits_and_a_killed_one_gives_its_own_back(
    kafka: str, prefix: str, settings_for: SettingsFor
) -> None:
    """Three processes together never have more than four requests in flight, also while one of them
    is killed in the middle of its requests. The others then carry out all of theirs."""
    await ensure_topics(settings_for(prefix), [TWILIO_PERMITS])
    async with counting_server(hold_s=0.1) as server:
        first = await sender(kafka, prefix, server.url, "first", 30)
        killed = await sender(kafka, prefix, server.url, "killed", 10_000)
        third = await sender(kafka, prefix, server.url, "third", 30)
        try:
            await server.answered("/killed/", 20)
            killed.send_signal(signal.SIGKILL)
            assert [0, 0] == [await first.wait(), await third.wait()]
        finally:
            for process in (first, killed, third):
                if process.returncode is None:
                    process.kill()
                await process.wait()
    assert 60 == sum(not path.startswith("/killed/") for path in server.paths)
    assert server.most == PERMITS


async def test_with_more_processes_than_permits_each_gets_its_turn(
    kafka: str, prefix: str, settings_for: SettingsFor
) -> None:
    """Six processes, of which four hold the permits at first, all carry out their requests."""
    await ensure_topics(settings_for(prefix), [TWILIO_PERMITS])
    async with counting_server(hold_s=0.1) as server:
        names = [f"p{number}" for number in range(6)]
        processes = [await sender(kafka, prefix, server.url, name, 12) for name in names]
        try:
            assert [0] * 6 == [await process.wait() for process in processes]
        finally:
            for process in processes:
                if process.returncode is None:
                    process.kill()
                await process.wait()
    assert 72 == len(server.paths)
    assert server.most <= PERMITS
