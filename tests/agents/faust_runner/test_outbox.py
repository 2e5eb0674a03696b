"""The outbox of a Faust role: groups of changes, draining, room and failures."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.produce import ProduceRequest

from agents.faust_runner.outbox import BrokenOutbox, Change, Outbox, gather
from tests.virtual_time import virtually

ROOM = 5_000
"""How many changes may be pending."""


@dataclass
class Client:
    """A connection to the broker that answers at once. `done`: requests in order of time."""

    done: list[str] = field(default_factory=list)

    async def send(self, node_id: int, request: Any, **options: Any) -> str:
        self.done.append("answered")
        return "answer"

    async def rest(self, seconds: float) -> None:
        self.done.append("rested")


@pytest.mark.parametrize(
    ("request_type", "behind", "done"),
    [
        (ProduceRequest, True, ["answered", "rested"]),
        (ProduceRequest, False, ["answered"]),
        (FetchRequest, True, ["answered"]),
    ],
)
async def test_writes_are_collected_while_the_role_is_behind(
    request_type: type, behind: bool, done: list[str]
) -> None:
    """Only writes are delayed, and only while the role is behind; the result is the broker's
    answer."""
    client = Client()
    producer = SimpleNamespace(client=client)
    gather(producer, lambda: behind, client.rest)  # type: ignore[arg-type]
    assert "answer" == await producer.client.send(0, object.__new__(request_type))
    assert done == client.done


class Broker:
    """A `Sender` controlled by the test: each record is acknowledged by `accept`."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes | None, bytes | None, int | None]] = []
        self.answers: list[asyncio.Future[None]] = []
        self.error: Exception | None = None

    async def send(
        self, topic: str, value: bytes | None, key: bytes | None, partition: int | None
    ) -> asyncio.Future[None]:
        if self.error is not None:
            raise self.error
        self.sent.append((topic, value, key, partition))
        self.answers.append(asyncio.get_running_loop().create_future())
        return self.answers[-1]

    def accept(self) -> None:
        """The broker has all records so far."""
        for answer in self.answers:
            if not answer.done():
                answer.set_result(None)


@asynccontextmanager
async def _running(broker: Broker) -> AsyncIterator[Outbox]:
    outbox = Outbox(broker, "changelog")  # type: ignore[arg-type]
    task = asyncio.ensure_future(outbox.run())
    yield outbox
    task.cancel()
    with suppress(asyncio.CancelledError, KafkaConnectionError):
        await task


def _change(value: bytes, key: bytes = b"k", partition: int = 3) -> Change:
    return Change(partition, key, value, ())


def test_each_change_is_written_once_to_its_partition() -> None:
    """Groups follow one another, and none contains a change of the one before."""

    async def main() -> None:
        broker = Broker()
        async with _running(broker) as outbox:
            for number in (b"1", b"2"):
                await outbox.add(_change(number, key=number))
                await asyncio.sleep(0.1)
                broker.accept()
                assert {3} == await outbox.drained([3])
        assert [("changelog", n, n, 3) for n in (b"1", b"2")] == broker.sent

    virtually(main())


def test_of_several_changes_of_a_key_the_last_is_written() -> None:
    """The same key on another partition is another one."""

    async def main() -> None:
        broker = Broker()
        async with _running(broker) as outbox:
            for value, partition in ((b"1", 3), (b"2", 3), (b"3", 4)):
                await outbox.add(_change(value, partition=partition))
            await asyncio.sleep(0.1)
        assert [(b"2", 3), (b"3", 4)] == [(value, at) for _, value, _, at in broker.sent]

    virtually(main())


def test_draining_waits_for_the_broker_each_time() -> None:
    """For at most a second, and only for the requested partitions."""

    async def main() -> None:
        broker, loop = Broker(), asyncio.get_running_loop()
        async with _running(broker) as outbox:
            for _ in range(2):
                await outbox.add(_change(b"1"))
                loop.call_later(0.3, broker.accept)
                begun = loop.time()
                assert {3} == await outbox.drained([3])
                assert begun + 0.3 == pytest.approx(loop.time())
            await outbox.add(_change(b"2"))
            assert {4} == await outbox.drained([4])
            assert begun + 0.3 == pytest.approx(loop.time())
            assert frozenset() == await outbox.drained([3])
            assert begun + 1.3 == pytest.approx(loop.time())

    virtually(main())


def test_a_failure_ends_every_wait() -> None:
    """For draining and for room; nothing is reported safe from then on."""

    async def main() -> None:
        broker, loop = Broker(), asyncio.get_running_loop()
        async with _running(broker) as outbox:
            for number in range(ROOM - 1):
                await outbox.add(_change(b"1", key=b"%d" % number))
            waiting = [
                asyncio.ensure_future(outbox.add(_change(b"2"))),
                asyncio.ensure_future(outbox.drained([3])),
            ]
            await asyncio.sleep(0.1)
            assert not any(task.done() for task in waiting)
            for answer in broker.answers:
                answer.set_exception(KafkaConnectionError("gone"))
            begun = loop.time()
            for task in waiting:
                with pytest.raises(BrokenOutbox):
                    await task
            assert begun == loop.time()
            for call in (outbox.add(_change(b"3")), outbox.drained([3])):
                with pytest.raises(BrokenOutbox):
                    await call

    virtually(main())


def test_a_full_outbox_takes_changes_again_once_the_broker_has_some() -> None:
    """The number of pending changes is bounded over all partitions together."""

    async def main() -> None:
        broker = Broker()
        async with _running(broker) as outbox:
            for number in range(ROOM - 1):
                await outbox.add(_change(b"1", key=b"%d" % number, partition=number % 7))
            last = asyncio.ensure_future(outbox.add(_change(b"2")))
            await asyncio.sleep(0.1)
            assert not last.done()
            broker.accept()
            await asyncio.sleep(0.1)
            assert last.done()

    virtually(main())


def test_a_stuck_partition_holds_back_its_own_changes_only() -> None:
    """After a second without an answer. Once the broker has them, the later ones follow, each once
    and in order."""

    async def main() -> None:
        broker = Broker()
        async with _running(broker) as outbox:
            await outbox.add(_change(b"1", b"1"))
            await asyncio.sleep(1.1)
            assert {3} == outbox.stuck()
            for number in (b"2", b"3"):
                await outbox.add(_change(number, number))
            await outbox.add(_change(b"4", b"4", partition=4))
            await asyncio.sleep(0.1)
            broker.answers[-1].set_result(None)
            assert {4} == await outbox.drained([3, 4])
            assert [b"1", b"4"] == [value for _, value, *_ in broker.sent]
            for _ in range(2):
                broker.accept()
                await asyncio.sleep(0.1)
            assert {3} == await outbox.drained([3])
            assert frozenset() == outbox.stuck()
            await outbox.add(_change(b"5", b"5"))
            await asyncio.sleep(0.1)
        assert [b"1", b"4", b"2", b"3", b"5"] == [value for _, value, *_ in broker.sent]

    virtually(main())
