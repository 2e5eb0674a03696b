"""Batching of output while a role is behind."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.produce import ProduceRequest

from agents.faust_runner.outbox import gather
from agents.faust_runner.sending import Patient


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
async def test_what_is_written_gathers_while_the_role_is_behind(
    request_type: type, behind: bool, done: list[str]
) -> None:
    """Only writes are delayed, and only while the role is behind; the result is the broker's
    answer."""
    client = Client()
    producer = SimpleNamespace(client=client)
    gather(producer, lambda: behind, client.rest)  # type: ignore[arg-type]
    assert "answer" == await producer.client.send(0, object.__new__(request_type))
    assert done == client.done


async def test_a_full_producer_is_waited_for() -> None:
    """The record that it did not take is offered again, and none is lost or sent twice."""
    taken: list[bytes | None] = []
    refusals = [KafkaTimeoutError(), KafkaTimeoutError()]

    class Full:
        async def send(self, topic: str, value: bytes | None, *_: Any, **__: Any) -> str:
            if refusals:
                raise refusals.pop()
            taken.append(value)
            return "future"

    assert "future" == await Patient(Full()).send("calls", b"1")  # type: ignore[arg-type]
    assert [b"1"] == taken
