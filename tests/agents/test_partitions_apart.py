"""A partition that Kafka does not take holds no other back on a Faust role's way out."""

import asyncio
from collections import defaultdict
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from hypothesis import given
from hypothesis import strategies as st

from agents.faust_runner.outbox import Change, Outbox
from agents.faust_runner.sending import Patient, sent
from tests.virtual_time import virtually

CHANGELOG = "changelog"
PARTITIONS = frozenset(range(4))


class Broker:
    """A producer that gets an answer at once, or, for some partitions of a topic, on request."""

    def __init__(self, slow: set[tuple[str, int]]) -> None:
        self.slow = slow
        self.log: defaultdict[tuple[str, int], list[bytes | None]] = defaultdict(list)
        self.waiting: list[asyncio.Future[None]] = []

    async def send(
        self, topic: str, value: Any = None, key: Any = None, partition: Any = None, **_: Any
    ) -> asyncio.Future[None]:
        """Take a record."""
        self.log[topic, partition].append(value)
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if (topic, partition) in self.slow:
            self.waiting.append(answer)
        else:
            answer.set_result(None)
        return answer

    async def send_alone(self, *_: Any, **__: Any) -> None:
        """Not needed."""
        raise AssertionError

    def elect(self) -> None:
        """All partitions have a leader from now on."""
        self.slow = set()
        while self.waiting:
            self.waiting.pop().set_result(None)


async def add(outbox: Outbox, broker: Broker, partition: int, value: bytes) -> None:
    """A step of a role: an output and the new state."""
    output = await sent(broker, "calls", value, b"k", partition)
    await outbox.add(Change(partition, b"k", value, (output,)))


def test_the_others_are_written_and_committed() -> None:
    """Those that wait are in order when they go out, and each state after its output."""

    async def scene() -> None:
        broker = Broker({(CHANGELOG, 1), ("calls", 2)})
        outbox = Outbox(broker, CHANGELOG)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(outbox.run())
            for value in (b"0", b"1", b"2"):
                for partition in PARTITIONS:
                    await add(outbox, broker, partition, value)
                await asyncio.sleep(0.5)
            await asyncio.sleep(2)
            assert await outbox.drained(PARTITIONS) == {0, 3}
            assert outbox.stuck() == {1, 2}
            assert broker.log[CHANGELOG, 0][-1] == broker.log[CHANGELOG, 3][-1] == b"2"
            assert broker.log[CHANGELOG, 2] == []
            broker.elect()
            assert await outbox.drained(PARTITIONS) == PARTITIONS
            assert outbox.stuck() == frozenset()
            assert broker.log[CHANGELOG, 1] == [b"0", b"2"]
            assert broker.log[CHANGELOG, 2][-1] == b"2"
            running.cancel()

    virtually(scene())


def test_what_one_partition_fails_with_breaks_the_way_out() -> None:
    """Nothing is committed any more, on any partition."""

    async def scene() -> None:
        broker = Broker({(CHANGELOG, 1)})
        outbox = Outbox(broker, CHANGELOG)
        await add(outbox, broker, 1, b"0")
        running = asyncio.create_task(outbox.run())
        await asyncio.sleep(2)
        broker.waiting[0].set_exception(OSError("gone"))
        with pytest.raises(OSError, match="gone"):
            await running
        with pytest.raises(ConnectionError):
            await outbox.drained({0})

    virtually(scene())


STEPS = st.lists(
    st.tuples(st.sampled_from(sorted(PARTITIONS)), st.sampled_from([0.0, 0.3, 1.5])), max_size=25
)
SLOW = st.sets(st.tuples(st.sampled_from([CHANGELOG, "calls"]), st.sampled_from([1, 2])))


@given(STEPS, SLOW, st.integers(0, 25))
def test_states_are_never_written_out_of_order(
    steps: list[tuple[int, float]], slow: set[tuple[str, int]], elected_at: int
) -> None:
    """Whatever is slow, and for however long: in each partition, states are written in order, none
    before its output is safe; and only a partition that waits for Kafka is held back."""

    async def scene() -> None:
        broker = Broker(set(slow))
        outbox = Outbox(broker, CHANGELOG)
        last: dict[int, bytes] = {}
        running = asyncio.create_task(outbox.run())
        for number, (partition, pause) in enumerate(steps):
            if number == elected_at:
                broker.elect()
            last[partition] = b"%d" % number
            await add(outbox, broker, partition, last[partition])
            await asyncio.sleep(pause)
        held = {partition for _, partition in broker.slow} & set(last)
        for _ in held:  # each may hold the others up once, for the second until it waits by itself
            await outbox.drained(PARTITIONS)
        assert await outbox.drained(PARTITIONS) >= PARTITIONS - held
        for topic, partition in broker.slow:
            assert topic != "calls" or not broker.log[CHANGELOG, partition]
        broker.elect()
        assert await outbox.drained(PARTITIONS) == PARTITIONS
        for partition, value in last.items():
            states = [int(state or b"") for state in broker.log[CHANGELOG, partition]]
            assert states == sorted(states)
            assert states[-1] == int(value)
        running.cancel()

    virtually(scene())


class FullProducer:
    """A producer without buffer space for some partitions."""

    def __init__(self, full: set[int]) -> None:
        self.full = full
        self.log: list[tuple[int, bytes]] = []
        self.elected: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def partitions_for(self, _topic: str) -> set[int]:
        """Four."""
        return set(PARTITIONS)

    async def send(
        self, _topic: str, value: bytes, _key: Any, partition: int, *_: Any
    ) -> asyncio.Future[bytes]:
        """Take a record once there is room, for which aiokafka waits 10 s at a time."""
        if len(value) > 100:
            raise MessageSizeTooLargeError
        if partition in self.full:
            await asyncio.wait([self.elected], timeout=10)
            if not self.elected.done():
                raise KafkaTimeoutError
        self.log.append((partition, value))
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        answer.set_result(value)
        return answer


def test_a_full_buffer_of_one_partition_makes_no_sender_wait() -> None:
    """Its records wait, in order, for as long as it takes, and get their answers; one that is too
    large gets its refusal."""

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        producer = FullProducer({1})
        sender = Patient(producer)  # type: ignore[arg-type]
        begun = loop.time()
        answers = [await sender.send("calls", b"%d" % n, b"k", n % 2) for n in range(8)]
        too_large = await sender.send("calls", bytes(101), b"k", 1)
        assert loop.time() == begun
        assert producer.log == [(0, b"0"), (0, b"2"), (0, b"4"), (0, b"6")]
        await asyncio.sleep(25)
        producer.full = set()
        producer.elected.set_result(None)
        assert await asyncio.gather(*answers) == [b"%d" % n for n in range(8)]
        assert producer.log[4:] == [(1, b"1"), (1, b"3"), (1, b"5"), (1, b"7")]
        with pytest.raises(MessageSizeTooLargeError):
            await too_large
        assert await (await sender.send("calls", b"9", b"k", 1)) == b"9"

    virtually(scene())
