"""Sending of records to a producer without room."""

from typing import Any

from aiokafka.errors import KafkaTimeoutError

from agents.faust_runner.sending import Patient


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
