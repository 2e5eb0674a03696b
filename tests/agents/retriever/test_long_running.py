"""A retriever that runs for months, or has the jobs of a busy installation, without Kafka."""

from collections.abc import Collection
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from agents.retriever import retriever as module
from agents.retriever.retriever import Retriever
from agents.retriever.steps import WorkSteps
from pipeline.recovery.jobs import KEPT_MS, Timing, after_attempt, after_contact
from pipeline.recovery.wanted import Recovery
from pipeline.runtime import kafka
from pipeline.runtime.partition_reading import READ_AGAIN_S
from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.records import RetrievalJob
from tests.agents.retriever.scene import missed
from tests.pipeline.recovery.contacts_made import AT

TIMING = Timing(1_000, 60_000)


class Scenery:
    """A retriever with so many partitions. `now`: log time (ms)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, partitions: int = 2) -> None:
        self.now = AT
        self.forgotten: list[str] = []
        self.read: list[int] = []
        self.stored: dict[int, dict[str, RetrievalJob]] = {}
        self.time = 1_000.0
        assigned = [SimpleNamespace(partition=n) for n in range(partitions)]
        consumer = SimpleNamespace(assignment=lambda: assigned)
        monkeypatch.setattr(kafka, "consumer", lambda *_, **__: consumer)
        monkeypatch.setattr(module, "read_jobs", self._read)
        loop = SimpleNamespace(time=lambda: self.time)
        monkeypatch.setattr(module.asyncio, "get_running_loop", lambda: loop)
        clock: Any = SimpleNamespace(now=lambda: self.now)
        producer: Any = SimpleNamespace(send_and_wait=self._sent)
        parts: Any = (Settings(), producer, None, clock)
        self.retriever = Retriever(*parts, recovery=Recovery.ALL, timing=TIMING, steps=WorkSteps())

    async def _read(self, _: object, partitions: Collection[int], __: object) -> dict[int, Any]:
        self.read += partitions
        return {n: self.stored[n] for n in partitions if n in self.stored}

    async def _sent(self, _: str, value: bytes | None, key: bytes) -> None:
        if value is not None:
            raise MessageSizeTooLargeError
        self.forgotten.append(key.decode())


def jobs(count: int) -> dict[str, RetrievalJob]:
    """Return jobs that are over, and one that waits."""
    waiting = after_contact(None, missed(), Recovery.ALL, TIMING, AT)
    assert waiting is not None
    over = after_attempt(waiting, [], [], Timing(0, 0), AT)
    assert "failed" == over.state
    sids = [f"WT{n:032d}" for n in range(count)]
    return {sid: replace(over, task_sid=sid) for sid in sids} | {waiting.task_sid: waiting}


async def test_jobs_are_forgotten_while_the_retriever_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 45 days, some in each round; not only after a restart. One that waits stays."""
    scene = Scenery(monkeypatch)
    scene.stored = {0: jobs(150), 1: {}}
    await scene.retriever._handle({}, lambda: None)
    assert [] == scene.forgotten
    scene.now += KEPT_MS
    scene.retriever._begin = lambda: None  # type: ignore[method-assign]
    scene.time += module.FORGET_EVERY_S
    await scene.retriever._handle({}, lambda: None)
    assert module.FORGOTTEN_AT_ONCE == len(scene.forgotten)
    await scene.retriever._handle({}, lambda: None)
    assert 150 == len(set(scene.forgotten))
    assert ["waiting"] == [job.state for job in scene.retriever._jobs]


async def test_partitions_are_read_over_several_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """With many jobs each partition takes long: finished ones are kept, and the next round reads
    the others. If none can be read, they are asked for again later."""
    scene = Scenery(monkeypatch, partitions=4)
    scene.stored = {1: {}, 2: {}}
    rounds = [[0, 1, 2, 3], [0, 3], []]
    for expected in rounds:
        scene.read.clear()
        await scene.retriever._read_jobs(lambda: None)
        assert expected == scene.read
    scene.time += READ_AGAIN_S
    scene.stored[0] = {}
    await scene.retriever._read_jobs(lambda: None)
    assert [3, 0] == scene.read


async def test_a_job_that_is_too_large_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is carried out as any other, and is not safe from a restart."""
    scene = Scenery(monkeypatch, partitions=1)
    scene.stored = {0: {}}
    await scene.retriever._read_jobs(lambda: None)
    message: Any = SimpleNamespace(value=encode(missed()))
    await scene.retriever._take(0, message)
    assert [missed().task_sid] == [job.task_sid for job in scene.retriever._jobs]
