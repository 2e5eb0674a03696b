"""The start of the bridge and the replay of a period, on an emulated Kinesis and a real Kafka."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.kinesis import LocalKinesis
from pipeline.kinesis.shard_ref import LIVE
from pipeline.runtime.kafka import ensure_topics
from pipeline.times import rfc3339
from schemas import topics
from schemas.codec import decode
from schemas.records import BridgeCheckpoint
from tests.bridge.outside import (
    STREAM,
    Bridges,
    emulator,
    events_of,
    free_port,
    number_of,
    put,
    read_all,
)
from tests.conftest import SettingsFor

pytestmark = pytest.mark.integration

KEYS = 16
BRIDGE_TOPICS = (topics.CTI_EVENTS, topics.DEAD_LETTERS, topics.BRIDGE_CHECKPOINTS)


@pytest.fixture
async def bridges(settings_for: SettingsFor, prefix: str, tmp_path: Path) -> AsyncIterator[Bridges]:
    """Bridge processes, killed after the test; the emulator is to be started."""
    settings = settings_for(prefix)
    await ensure_topics(settings, BRIDGE_TOPICS)
    found = Bridges(settings, LocalKinesis(free_port(), "us-east-1", STREAM), tmp_path)
    yield found
    found.kill_all()


def between() -> int:
    """Return a time (ms) between the records put before and those put afterwards."""
    asked = time.time_ns() // 1_000_000 + 1
    while (now := time.time_ns() // 1_000_000) <= asked:
        pass
    return now


async def times(bridges: Bridges, at_least: int) -> Counter[int]:
    """How often each number is on cti.events."""
    records = await read_all(bridges.settings, topics.CTI_EVENTS, at_least=at_least)
    return Counter(number_of(each) for each in events_of(records))


async def live_checkpoints(bridges: Bridges) -> list[BridgeCheckpoint]:
    """The live bridge's."""
    records = await read_all(bridges.settings, topics.BRIDGE_CHECKPOINTS)
    found: list[Any] = [decode(record.value) for record in records]
    return [each for each in found if isinstance(each, BridgeCheckpoint) and each.name == LIVE]


async def test_the_latest_is_where_the_stream_was_first_met(
    bridges: Bridges, tmp_path: Path
) -> None:
    """Records from before the first start are not read. All later records are, also those put while
    the bridge was dead, even if the setting has changed."""
    latest = {"FLEXCAPTURE_KINESIS_START": "latest"}
    async with emulator(bridges.local, tmp_path / "kinesis.log", 4) as client:
        put(client, range(100), KEYS)
        between()
        bridges.start("bridge-0", **latest)
        await read_all(bridges.settings, topics.BRIDGE_CHECKPOINTS, at_least=1)
        bridges.kill("bridge-0")
        put(client, range(100, 150), KEYS)
        bridges.start("bridge-0", **latest)
        assert Counter(range(100, 150)) == await times(bridges, 50)
        bridges.kill("bridge-0")
        put(client, range(150, 200), KEYS)
        bridges.start("bridge-0", FLEXCAPTURE_KINESIS_START="trim-horizon")
        assert Counter(range(100, 200)) == await times(bridges, 100)
        assert 0 == bridges.terminate("bridge-0")
    async with emulator(bridges.local, tmp_path / "kinesis.log", 4) as client:
        put(client, range(200, 300), KEYS)
        bridges.start("bridge-0", **latest)
        assert Counter(range(100, 300)) == await times(bridges, 200)
        assert 0 == bridges.terminate("bridge-0")


async def test_the_latest_of_a_stream_to_come_is_all_of_it(
    bridges: Bridges, tmp_path: Path
) -> None:
    """A bridge that waits for its stream misses nothing of it. Two streams under one prefix, each
    with a bridge of its own, do not get into each other's way."""
    latest = {"FLEXCAPTURE_KINESIS_START": "latest"}
    async with emulator(bridges.local, tmp_path / "kinesis.log", 2) as client:
        client.delete_stream(StreamName=STREAM)
        bridges.start("bridge-0", **latest)
        bridges.start("bridge-1", **latest, FLEXCAPTURE_KINESIS_STREAM="other")
        for instance in ("bridge-0", "bridge-1"):
            await asyncio.to_thread(bridges.wait_until_said, instance, "cannot be read")
        client.create_stream(StreamName=STREAM, ShardCount=3)
        put(client, range(50), KEYS)
        client.create_stream(StreamName="other", ShardCount=3)
        put(client, range(50, 100), KEYS, "other")
        assert Counter(range(100)) == await times(bridges, 100)
        assert [0, 0] == [bridges.terminate(instance) for instance in ("bridge-0", "bridge-1")]


async def test_a_start_at_a_time(bridges: Bridges, tmp_path: Path) -> None:
    """What Kinesis took from that time on is read, by two bridges alike."""
    async with emulator(bridges.local, tmp_path / "kinesis.log", 4) as client:
        put(client, range(100), KEYS)
        start = {"FLEXCAPTURE_KINESIS_START": rfc3339(between())}
        put(client, range(100, 200), KEYS)
        bridges.start("a", **start)
        bridges.start("b", **start)
        assert Counter(range(100, 200)) == await times(bridges, 100)
        assert [0, 0] == [bridges.terminate(instance) for instance in ("a", "b")]


async def test_a_replayed_period_is_bridged_once_more(bridges: Bridges, tmp_path: Path) -> None:
    """The period's events are there twice, all others once. The live bridge continues meanwhile
    from its own checkpoints. A finished replay does nothing more, and accepts no other period."""
    async with emulator(bridges.local, tmp_path / "kinesis.log", 2) as client:
        bridges.start("bridge-0")
        put(client, range(100), KEYS)
        begins = between()
        put(client, range(100, 200), KEYS)
        ends = between()
        put(client, range(200, 300), KEYS)
        assert Counter(range(300)) == await times(bridges, 300)
        period = ("--replay-from", rfc3339(begins), "--until", str(ends))
        bridges.replay("replay", *period)
        put(client, range(300, 400), KEYS)
        assert 0 == bridges.wait("replay")
        expected = Counter(range(400)) + Counter(range(100, 200))
        assert expected == await times(bridges, 500)
        assert {"bridge-0"} == {each.instance for each in await live_checkpoints(bridges)}
        bridges.replay("replay", *period)
        assert 0 == bridges.wait("replay")
        name = ("--checkpoint-name", f"replay-{begins}-{ends}")
        bridges.replay("replay", "--replay-from", str(begins + 1), *name)
        assert 2 == bridges.wait("replay")
        assert 0 == bridges.terminate("bridge-0")
        assert expected == await times(bridges, 500)


async def test_a_killed_replay_is_continued(bridges: Bridges, tmp_path: Path) -> None:
    """A replay that is killed and started again under its name writes each event once more, and
    ends at its first start: later events are not part of it."""
    count = 6_000
    async with emulator(bridges.local, tmp_path / "kinesis.log", 2) as client:
        begins = between()
        put(client, range(count), KEYS)
        arguments = ("--replay-from", str(begins), "--checkpoint-name", "again")
        bridges.replay("replay", *arguments)
        await read_all(bridges.settings, topics.CTI_EVENTS, at_least=1)
        bridges.kill("replay")
        put(client, range(count, count + 50), KEYS)
        assert len(await read_all(bridges.settings, topics.CTI_EVENTS)) < count
        bridges.replay("replay", *arguments)
        assert 0 == bridges.wait("replay")
        assert Counter(range(count)) == await times(bridges, count)
        assert [] == await live_checkpoints(bridges)


async def test_a_replay_of_no_stream_is_refused(bridges: Bridges, tmp_path: Path) -> None:
    """If the stream does not exist, the live bridge waits, but a replay reports that there is
    none."""
    async with emulator(bridges.local, tmp_path / "kinesis.log", 1) as client:
        client.delete_stream(StreamName=STREAM)
        bridges.replay("replay", "--replay-from", "2026-01-01T00:00:00Z")
        assert 1 == bridges.wait("replay")
    assert STREAM in (tmp_path / "replay.log").read_text()
