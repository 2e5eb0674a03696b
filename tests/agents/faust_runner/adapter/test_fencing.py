"""The lease on partitions: requests to the coordinator, its answers, and the writes they allow."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, SyncGroupRequest
from aiokafka.protocol.produce import ProduceRequest

from agents.faust_runner.adapter.fencing import Fenced, Lease, guard, keep

OK, NO_COORDINATOR, ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCING, FENCED_INSTANCE = (
    0,
    15,
    22,
    25,
    27,
    82,
)
SECONDS = 6.0


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Client:
    """A connection to the broker, with its answers and the requests that reached it."""

    error_code: int = OK
    sent: list[Any] = field(default_factory=list)

    async def ready(self, node_id: int) -> bool:
        return True

    async def send(self, node_id: int, request: Any, **options: Any) -> Any:
        self.sent.append(request)
        return SimpleNamespace(error_code=self.error_code)


def lease(clock: Clock) -> Lease:
    """One of 6 s."""
    return Lease(SECONDS, clock)


async def test_it_holds_from_a_yes_for_its_time() -> None:
    """From the time of the request, not of the answer; before the first answer there is no
    lease."""
    clock = Clock()
    ours = lease(clock)
    assert not ours.holds()
    ours.answered(98.0, OK)
    clock.now = 98.0 + SECONDS - 0.1
    assert ours.holds()
    clock.now = 98.0 + SECONDS
    assert not ours.holds()
    ours.answered(clock.now, OK)
    assert ours.holds()


@pytest.mark.parametrize("error_code", [UNKNOWN_MEMBER, ILLEGAL_GENERATION, FENCED_INSTANCE])
async def test_a_fenced_member_never_becomes_a_member_again(error_code: int) -> None:
    """A process that has lost its membership never writes again: its results are from before."""
    ours = lease(Clock())
    ours.answered(100.0, OK)
    ours.answered(100.0, error_code)
    ours.answered(100.0, OK)
    with pytest.raises(Fenced):
        ours.holds()


async def test_a_process_that_never_joined_loses_nothing() -> None:
    """The first answers while joining may be anything."""
    ours = lease(Clock())
    ours.answered(100.0, UNKNOWN_MEMBER)
    assert not ours.holds()
    ours.answered(100.0, OK)
    assert ours.holds()


async def test_a_rebalance_prolongs_nothing() -> None:
    """A rebalance does not extend the lease: others take over when the rebalance ends."""
    clock = Clock()
    ours = lease(clock)
    ours.answered(100.0, OK)
    clock.now = 105.0
    ours.answered(105.0, REBALANCING)
    assert ours.holds()
    clock.now = 106.0
    assert not ours.holds()
    ours.answered(106.0, REBALANCING)
    with pytest.raises(Fenced):
        ours.holds()


async def test_a_broker_that_is_away_takes_nothing_away() -> None:
    """Writes wait while the broker is unavailable, and continue once the coordinator confirms
    again."""
    clock, client = Clock(), Client()
    ours = lease(clock)
    ours.answered(100.0, OK)
    producer = SimpleNamespace(client=client)
    guard(ours, producer)  # type: ignore[arg-type]
    clock.now = 160.0
    ours.answered(160.0, NO_COORDINATOR)
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(_write(producer))
        await _settled()
        assert ([], False) == (client.sent, writing.done())
        ours.answered(160.0, OK)
    assert 1 == len(client.sent)


async def test_what_a_fenced_process_wants_to_write_is_not_written() -> None:
    """It waits for the coordinator's answer, which is a refusal."""
    clock, client = Clock(), Client()
    ours = lease(clock)
    ours.answered(100.0, OK)
    producer = SimpleNamespace(client=client)
    guard(ours, producer)  # type: ignore[arg-type]
    clock.now = 120.0
    writing = asyncio.ensure_future(_write(producer))
    await _settled()
    ours.answered(120.0, UNKNOWN_MEMBER)
    with pytest.raises(Fenced):
        await writing
    assert [] == client.sent


async def test_what_writes_nothing_is_not_held_back() -> None:
    """Metadata requests are not held back: the producer needs them to find the broker again."""
    client = Client()
    producer = SimpleNamespace(client=client)
    guard(lease(Clock()), producer)  # type: ignore[arg-type]
    await producer.client.send(0, object.__new__(FetchRequest))
    assert 1 == len(client.sent)


@pytest.mark.parametrize(
    ("request_type", "error_code", "held"),
    [
        (HeartbeatRequest, OK, True),
        (SyncGroupRequest, OK, True),
        (JoinGroupRequest, OK, False),  # its partitions are not known yet
        (FetchRequest, OK, False),
        (HeartbeatRequest, NO_COORDINATOR, False),
    ],
)
async def test_the_consumer_s_own_talk_keeps_the_lease(
    request_type: type, error_code: int, held: bool
) -> None:
    """No further request is sent."""
    client = Client(error_code)
    ours = Lease(SECONDS)
    consumer = SimpleNamespace(_client=client)
    keep(ours, consumer)  # type: ignore[arg-type]
    await consumer._client.send(0, object.__new__(request_type))
    assert held == ours.holds()


async def test_losing_it_is_reported_at_once() -> None:
    """Losing the membership ends the process even if nothing is to be written."""
    ours = lease(Clock())
    ours.answered(100.0, OK)
    waiting = asyncio.ensure_future(ours.lasts())
    await _settled()
    ours.answered(101.0, FENCED_INSTANCE)
    with pytest.raises(Fenced):
        await waiting


async def _write(producer: Any) -> None:
    await producer.client.send(0, object.__new__(ProduceRequest))


async def _settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
