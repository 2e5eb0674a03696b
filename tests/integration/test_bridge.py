"""The bridge between an emulated Kinesis and the real Kafka."""

import asyncio
import signal
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka.errors import KafkaError

from bridge.checkpoints import Checkpoints, checkpoint_partition
from bridge.transactions import ShardWriter
from infra.local.kinesis import LocalKinesis
from pipeline.kinesis.messages import SizeLimits
from pipeline.kinesis.shard_ref import Place
from pipeline.runtime.kafka import ensure_topics, producer
from schemas import topics
from schemas.codec import decode
from schemas.records import BridgeCheckpoint, CtiEvent
from tests.bridge.outside import (
    STREAM,
    Bridges,
    emulator,
    event,
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


def assert_once_and_in_order(events: list[CtiEvent], count: int) -> None:
    """Each number once, and those of a shard in ascending order."""
    times = Counter(number_of(each) for each in events)
    assert {} == {number: n for number, n in times.items() if n != 1}
    assert set(range(count)) == set(times)
    by_key: dict[str, list[int]] = defaultdict(list)
    for each in events:
        by_key[each.source].append(number_of(each))
    assert {key: sorted(numbers) for key, numbers in by_key.items()} == dict(by_key)


async def test_events_come_through(bridges: Bridges, tmp_path: Path) -> None:
    """Each event is on cti.events once, keyed by its source, with its place in Kinesis."""
    async with emulator(bridges.local, tmp_path / "kinesis.log", 2) as client:
        bridges.start("bridge-0")
        put(client, range(300), KEYS)
        records = await read_all(bridges.settings, topics.CTI_EVENTS, at_least=300)
        assert 0 == bridges.terminate("bridge-0")
    events = events_of(records)
    assert_once_and_in_order(events, 300)
    assert {b"/test/key-%d" % n for n in range(KEYS)} == {record.key for record in records}
    assert {"shardId-000000000000", "shardId-000000000001"} == {e.shard_id for e in events}


async def test_killed_bridges_write_each_event_once(bridges: Bridges, tmp_path: Path) -> None:
    """Killed again and again while events arrive, each event is there once, in order."""
    count, rounds = 6_000, 6
    async with emulator(bridges.local, tmp_path / "kinesis.log", 4) as client:
        for n in range(rounds):
            bridges.start("bridge-0")
            seen = len(await read_all(bridges.settings, topics.CTI_EVENTS))
            numbers = range(n * count // rounds, (n + 1) * count // rounds)
            putting = asyncio.create_task(asyncio.to_thread(put, client, numbers, KEYS))
            # Killed in the midst of it: as soon as something new of this round has come through.
            await read_all(bridges.settings, topics.CTI_EVENTS, at_least=seen + 1 + n)
            bridges.kill("bridge-0")
            await putting
        bridges.start("bridge-0")
        records = await read_all(bridges.settings, topics.CTI_EVENTS, at_least=count)
        bridges.terminate("bridge-0")
        records = await read_all(bridges.settings, topics.CTI_EVENTS, at_least=count)
    assert_once_and_in_order(events_of(records), count)


async def test_two_bridges_share_and_take_over(bridges: Bridges, tmp_path: Path) -> None:
    """Two bridges at once, one killed and one added: each event once, in order, none waits for
    ever."""
    async with emulator(bridges.local, tmp_path / "kinesis.log", 4) as client:
        for n, (started, killed) in enumerate([("a", ""), ("b", ""), ("c", "a")]):
            bridges.start(started)
            put(client, range(n * 1_000, n * 1_000 + 500), KEYS)
            await read_all(bridges.settings, topics.CTI_EVENTS, at_least=n * 1_000 + 250)
            if killed:
                bridges.kill(killed)
            put(client, range(n * 1_000 + 500, n * 1_000 + 1_000), KEYS)
            await read_all(bridges.settings, topics.CTI_EVENTS, at_least=n * 1_000 + 1_000)
        for instance in list(bridges.running):
            bridges.terminate(instance)
        records = await read_all(bridges.settings, topics.CTI_EVENTS, at_least=3_000)
    assert_once_and_in_order(events_of(records), 3_000)
    checkpoints = await read_all(bridges.settings, topics.BRIDGE_CHECKPOINTS)
    assert {"a", "b", "c"} >= {decode(record.value).instance for record in checkpoints}


async def test_rubbish_is_dead_lettered(bridges: Bridges, tmp_path: Path) -> None:
    """An unreadable record becomes a dead letter with its position; the records next to it are
    carried."""
    rubbish = b"\xff not json"
    pair = b"[" + event(1, "a") + b"," + event(2, "a") + b", 7]"
    test_event = b'{"id":"EVt","type":"com.twilio.eventstreams.test-event","data":{"test_id":"x"}}'
    async with emulator(bridges.local, tmp_path / "kinesis.log", 1) as client:
        for data in (event(0, "a"), rubbish, test_event, pair, event(3, "a")):
            client.put_record(StreamName=STREAM, Data=data, PartitionKey="a")
        bridges.start("bridge-0")
        records = await read_all(bridges.settings, topics.CTI_EVENTS, at_least=4)
        letters = await read_all(bridges.settings, topics.DEAD_LETTERS, at_least=2)
        bridges.terminate("bridge-0")
    assert [0, 1, 2, 3] == [number_of(each) for each in events_of(records)]
    by_position = {decode(letter.value).position: decode(letter.value) for letter in letters}
    assert ("not-json", rubbish) == (by_position["2"].reason, by_position["2"].original)
    assert ("wrong-type", b"7") == (by_position["4"].reason, by_position["4"].original)
    headers = dict(next(x for x in letters if decode(x.value).position == "2").headers)
    assert {
        "__connect.errors.topic": STREAM.encode(),
        "__connect.errors.partition": b"shardId-000000000000",
        "__connect.errors.offset": b"2",
        "__connect.errors.connector.name": b"flexcapture-bridge",
    }.items() <= headers.items()


async def test_a_new_stream_of_the_same_name_is_read_from_its_beginning(
    bridges: Bridges, tmp_path: Path
) -> None:
    """An emulator that died and came back empty has another stream: its first event counts."""
    async with emulator(bridges.local, tmp_path / "kinesis.log", 2) as client:
        bridges.start("bridge-0")
        put(client, range(100), KEYS)
        await read_all(bridges.settings, topics.CTI_EVENTS, at_least=100)
    async with emulator(bridges.local, tmp_path / "kinesis.log", 2) as client:
        put(client, range(100, 350), KEYS)
        await read_all(bridges.settings, topics.CTI_EVENTS, at_least=350)
        bridges.terminate("bridge-0")
    records = await read_all(bridges.settings, topics.CTI_EVENTS, at_least=350)
    assert_once_and_in_order(events_of(records), 350)


async def test_a_checkpoint_behind_an_open_transaction_is_waited_for(bridges: Bridges) -> None:
    """If another shard's transaction on the same partition is still open, the last stable offset is
    below a committed checkpoint: the catch-up waits for the checkpoint and finds it."""
    settings = bridges.settings
    place = Place("flex-events", 1, "shardId-0")
    topic = settings.prefixed(topics.BRIDGE_CHECKPOINTS.name)
    checkpoint = BridgeCheckpoint("live", "flex-events", 1, "shardId-0", "7", False, 1, 2, "a")
    checkpoints = Checkpoints(settings, lambda: None)
    # Only the broker ends this transaction, when it times out.
    async with producer(
        settings, transactional_id=settings.prefixed("open"), transaction_timeout_ms=1_500
    ) as other:
        await checkpoints.start()
        following = asyncio.create_task(checkpoints.run())
        try:
            await other.begin_transaction()
            await other.send_and_wait(topic, b"", b"other", partition=checkpoint_partition(place))
            writer = ShardWriter(settings, place, SizeLimits())
            await writer.start()
            await writer.write((), checkpoint)
            await writer.close()
            await checkpoints.caught_up(checkpoint_partition(place))
            assert checkpoint == checkpoints.get(place)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await checkpoints.stop()


async def test_a_hanging_transaction_elsewhere_does_not_hold_up_a_start(
    bridges: Bridges, tmp_path: Path
) -> None:
    """A bridge starts while another bridge's transaction is open on the checkpoint topic, as after
    a kill. It takes over the shards nevertheless."""
    settings = bridges.settings
    async with emulator(bridges.local, tmp_path / "kinesis.log", 2) as client:
        bridges.start("bridge-0")
        put(client, range(10), KEYS)
        await read_all(settings, topics.CTI_EVENTS, at_least=10)
        records = await read_all(settings, topics.BRIDGE_CHECKPOINTS)
        bridges.kill("bridge-0")
        topic = settings.prefixed(topics.BRIDGE_CHECKPOINTS.name)
        free = min(
            set(range(topics.BRIDGE_CHECKPOINTS.partitions)) - {r.partition for r in records}
        )
        # Nothing ends it: it outlives the test.
        other = producer(
            settings, transactional_id=settings.prefixed("open"), transaction_timeout_ms=120_000
        )
        await other.start()
        await other.begin_transaction()
        await other.send_and_wait(topic, b"", b"other", partition=free)
        bridges.start("bridge-0")
        put(client, range(10, 20), KEYS)
        records = await read_all(settings, topics.CTI_EVENTS, at_least=20)
        await other.abort_transaction()
        await other.stop()
        assert 0 == bridges.terminate("bridge-0")
    assert_once_and_in_order(events_of(records), 20)


async def test_a_fenced_writer_writes_nothing(bridges: Bridges) -> None:
    """Once another bridge has started a writer of the same shard, the first one's transactions
    fail, and none of their records is visible."""
    settings = bridges.settings
    place = Place("flex-events", 1, "shardId-0")
    checkpoint = BridgeCheckpoint("live", "flex-events", 1, "shardId-0", "7", False, 1, 2, "a")
    old, new = (ShardWriter(settings, place, SizeLimits()) for _ in range(2))
    await old.start()
    await old.write((), checkpoint)
    await new.start()
    with pytest.raises(KafkaError):
        await old.write((), replace(checkpoint, sequence_number="8"))
    await new.write((), replace(checkpoint, sequence_number="9"))
    await old.close()
    await new.close()
    records = await read_all(settings, topics.BRIDGE_CHECKPOINTS)
    assert ["7", "9"] == [decode(record.value).sequence_number for record in records]


async def test_a_bridge_that_was_frozen_writes_nothing_twice(
    bridges: Bridges, tmp_path: Path
) -> None:
    """A process that stands still, loses its shards and wakes up again still believes it owns
    them: it is fenced."""
    async with emulator(bridges.local, tmp_path / "kinesis.log", 2) as client:
        bridges.start("a")
        put(client, range(500), KEYS)
        await read_all(bridges.settings, topics.CTI_EVENTS, at_least=500)
        bridges.signal("a", signal.SIGSTOP)
        bridges.start("b")
        put(client, range(500, 1_000), KEYS)
        await read_all(bridges.settings, topics.CTI_EVENTS, at_least=1_000)
        bridges.signal("a", signal.SIGCONT)
        put(client, range(1_000, 1_500), KEYS)
        await read_all(bridges.settings, topics.CTI_EVENTS, at_least=1_500)
        assert [0, 0] == [bridges.terminate(instance) for instance in ("a", "b")]
    records = await read_all(bridges.settings, topics.CTI_EVENTS)
    assert_once_and_in_order(events_of(records), 1_500)


async def test_small_and_huge_events(
    settings_for: SettingsFor, prefix: str, tmp_path: Path
) -> None:
    """Records of 900 kB are carried; a record too large for the topic becomes a dead letter with
    its size. The records next to them are carried."""
    settings = settings_for(prefix)
    limit = {"max.message.bytes": "950000"}
    await ensure_topics(settings, [replace(topics.CTI_EVENTS, extra=limit)])
    bridges = Bridges(settings, LocalKinesis(free_port(), "us-east-1", STREAM), tmp_path)
    try:
        async with emulator(bridges.local, tmp_path / "kinesis.log", 1) as client:
            for number, padding in enumerate([0, 900_000, 0, 960_000, 0]):
                data = event(number, "a", padding=padding)
                client.put_record(StreamName=STREAM, Data=data, PartitionKey="a")
            bridges.start("bridge-0")
            records = await read_all(settings, topics.CTI_EVENTS, at_least=4)
            (letter,) = await read_all(settings, topics.DEAD_LETTERS, at_least=1)
            assert 0 == bridges.terminate("bridge-0")
    finally:
        bridges.kill_all()
    assert [0, 1, 2, 4] == [number_of(each) for each in events_of(records)]
    found = decode(letter.value)
    assert ("too-large", event(3, "a", padding=960_000)) == (found.reason, found.original)
    assert "950000" in found.detail
