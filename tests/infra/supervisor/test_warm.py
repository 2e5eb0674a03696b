"""A new broker is used once in every way before roles start."""

from types import TracebackType
from typing import Any, Self

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError

from infra.supervisor import warm
from infra.supervisor.warm import all_usable
from pipeline.runtime.settings import Settings
from schemas.topics import ALL


class Client:
    """A consumer or a producer. Its start finds a coordinator."""

    def __init__(self, steps: list[Any], kind: str, error: Exception | None) -> None:
        self._steps = steps
        self._kind = kind
        self._error = error

    async def __aenter__(self) -> Self:
        self._steps.append(f"{self._kind} starts")
        if self._error is not None:
            raise self._error
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._steps.append(f"{self._kind} stops")

    async def end_offsets(self, partitions: list[TopicPartition]) -> None:
        self._steps.append(partitions)


def steps(patch: pytest.MonkeyPatch, error: Exception | None = None) -> list[Any]:
    """Let clients note their steps. `error`: of a producer's start."""
    noted: list[Any] = []

    def consumer(_: Settings, *topics: str, group_id: str = "") -> Client:
        return Client(noted, f"member of {group_id} on {topics}" if group_id else "reader", None)

    def producer(_: Settings, source: str, transactional_id: str) -> Client:
        return Client(noted, f"producer {transactional_id}", error)

    patch.setattr(warm, "consumer", consumer)
    patch.setattr(warm, "producer", producer)
    return noted


async def test_partitions_and_both_coordinators_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every partition of every topic; the coordinator of transactions and that of groups."""
    noted = steps(monkeypatch)
    await all_usable(Settings(topic_prefix="p."))
    [partitions] = [step for step in noted if isinstance(step, list)]
    expected = [TopicPartition(f"p.{t.name}", n) for t in ALL for n in range(t.partitions)]
    assert expected == partitions
    starts = [step for step in noted if isinstance(step, str) and step.endswith("starts")]
    assert ["reader", "producer p.up", "member of p.up"] == [
        s.removesuffix(" starts").split(" on ")[0] for s in starts
    ]
    assert len(starts) == sum(isinstance(s, str) and s.endswith("stops") for s in noted)


async def test_a_broker_that_is_not_usable_in_time_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reader is closed nevertheless."""
    noted = steps(monkeypatch, KafkaTimeoutError())
    with pytest.raises(KafkaTimeoutError):
        await all_usable(Settings())
    assert "reader stops" in noted
