"""What clients and writers do while a broker of three hangs, or is away with the only replicas."""

import asyncio
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.ticking import Ticking
from gateway.publishing.publisher import Publisher
from gateway.publishing.spill import Spills
from infra.supervisor.processes import signal_all
from pipeline.runtime import kafka
from pipeline.runtime.settings import Settings
from schemas.codec import decode
from schemas.records import Tick
from schemas.topics import CALL_PARTITIONS, Topic
from tests.system.chaos.brokers import Brokers

pytestmark = pytest.mark.integration

PARTITIONS = frozenset(range(CALL_PARTITIONS))
THREE = Topic("three", "none", ())
ONE = Topic("one", "none", ())
PATIENCE_S = 60


@asynccontextmanager
async def cluster(directory: Path) -> AsyncIterator[tuple[Brokers, Settings]]:
    """Return three brokers, with a topic on all of them, and one with a single replica of each
    partition."""
    brokers = Brokers(directory, directory, 3)
    try:
        await brokers.start()
        settings = Settings(kafka_bootstrap_servers=brokers.servers)
        await kafka.ensure_topics(settings, [THREE])
        single = settings.model_copy(update={"kafka_replication_factor": 1})
        await kafka.ensure_topics(single, [ONE])
        yield brokers, settings
    finally:
        await brokers.kill_all()


@contextmanager
def frozen(brokers: Brokers, number: int) -> Iterator[None]:
    """It answers nothing."""
    pid = brokers._processes[number].pid
    signal_all(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_all(pid, signal.SIGCONT)


async def send_everywhere(settings: Settings, topic: str, at: int) -> None:
    """By a new client, to every partition."""
    async with kafka.producer(settings) as producer:
        value = b"%d" % at
        sent = [producer.send_and_wait(topic, value, partition=p) for p in PARTITIONS]
        await asyncio.gather(*sent)


async def read(consumer: AIOKafkaConsumer, count: int) -> dict[int, list[bytes | None]]:
    """So many records, by partition."""
    found: defaultdict[int, list[bytes | None]] = defaultdict(list)
    while sum(map(len, found.values())) < count:
        for tp, records in (await consumer.getmany(timeout_ms=200)).items():
            found[tp.partition] += [record.value for record in records]
    return found


@pytest.mark.parametrize("hung", ["the coordinator", "another"])
async def test_everything_works_while_a_broker_hangs(tmp_path: Path, hung: str) -> None:
    """Clients that run and clients that start write to and read from all partitions, and commit,
    before the broker answers again; and the group keeps its members."""
    async with cluster(tmp_path) as (brokers, settings):
        consumer = kafka.consumer(settings, THREE.name, group_id="g")
        producer = kafka.producer(settings)
        async with consumer, producer, asyncio.timeout(PATIENCE_S):
            await send_everywhere(settings, THREE.name, 0)
            await read(consumer, len(PARTITIONS))
            await consumer.commit()
            group = consumer._coordinator
            generation, coordinator = group.generation, group.coordinator_id
            number = coordinator - 1 if hung == "the coordinator" else coordinator % 3
            with frozen(brokers, number):
                sent = [producer.send_and_wait(THREE.name, b"1", partition=p) for p in PARTITIONS]
                await asyncio.gather(*sent)
                await send_everywhere(settings, THREE.name, 2)
                await read(consumer, 2 * len(PARTITIONS))
                await consumer.commit()
                async with kafka.consumer(settings) as other:
                    tps = {TopicPartition(THREE.name, p) for p in PARTITIONS}
                    assert set((await kafka.end_offsets(other, tps)).values()) == {3}
            assert generation == group.generation
            await send_everywhere(settings, THREE.name, 3)
            await read(consumer, len(PARTITIONS))
            assert generation == group.generation


async def test_a_partition_without_a_leader_holds_no_other_back(tmp_path: Path) -> None:
    """The gateway's publisher and the tracker's ticks serve the others, by the same producer; what
    waited goes out in its order once the broker is back."""
    async with cluster(tmp_path) as (brokers, settings), asyncio.timeout(2 * PATIENCE_S):
        made: list[int] = []

        def producer() -> object:
            made.append(1)
            return kafka.producer(settings, linger_ms=10)

        publisher = Publisher(producer, spills=Spills(tmp_path / "spill", 10**8))  # type: ignore[arg-type]
        running = asyncio.create_task(publisher.run())
        reader = kafka.consumer(settings)
        async with kafka.producer(settings) as ticks, reader:
            ticking = Ticking(ticks, ONE.name)
            _publish(publisher, [0])
            assert await publisher.flushed(30)
            await brokers._stop(2, signal.SIGKILL)
            tps = {TopicPartition(ONE.name, p) for p in PARTITIONS}
            while len(led := await kafka.with_leader(reader, tps)) == len(tps):
                await reader._client.force_metadata_update()
            led_numbers = {tp.partition for tp in led}
            for at in range(1, 8):
                _publish(publisher, [at])
                ticking.tick(PARTITIONS, 100 + at)
                await asyncio.sleep(0.5)
            stalled = {partition for _, partition, _ in publisher.stalled(2)}
            assert stalled == PARTITIONS - led_numbers
            assert publisher.silent_for() < 2
            assert led_numbers
            assert stalled
            await brokers._back([2])
            assert await publisher.flushed(30)
            log = await _read_all(settings, tps)
        publisher.stop()
        await running
    assert len(made) == 1
    for number in PARTITIONS:
        published = [at for at in log[number] if at < 100]
        assert list(range(8)) == sorted(set(published))
        assert published == sorted(published)
        ticked = {at for at in log[number] if at >= 100}
        assert (ticked == set(range(101, 108))) == (number in led_numbers)
        assert ticked


def _publish(publisher: Publisher, ats: list[int]) -> None:
    for at in ats:
        for partition in PARTITIONS:
            publisher.publish(ONE.name, b"k", Tick(at), partition=partition)


async def _read_all(settings: Settings, tps: set[TopicPartition]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {tp.partition: [] for tp in tps}
    async with kafka.consumer(settings) as reader:
        reader.assign(tps)
        await reader.seek_to_beginning(*tps)
        ends = await reader.end_offsets(tps)
        while any([await reader.position(tp) < end for tp, end in ends.items()]):
            for tp, records in (await reader.getmany(timeout_ms=200)).items():
                found[tp.partition] += [decode(record.value).at for record in records]
    return found
