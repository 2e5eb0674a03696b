"""The recorder as a process: the parts that it opens, and its end during the start."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from agents.recorder import service
from pipeline.runtime import kafka
from pipeline.runtime.settings import Settings, SettingsError
from pipeline.runtime.telemetry import Health
from tests.agents.recorder.parts import FakeProducer


class Producer(FakeProducer):
    """Notes when it is started and stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []

    async def start(self) -> None:
        self.steps.append("started")

    async def stop(self) -> None:
        self.steps.append("stopped")


class Parts:
    """The surroundings of a recorder. `stops`: SIGTERM comes while the log's clock is measured."""

    def __init__(self, patch: pytest.MonkeyPatch, *, stops: bool) -> None:
        self.producer = Producer()
        self.stop = asyncio.Event()
        self.read: list[str] = []
        self.written: list[str] = []
        self.runs = 0
        self._stops = stops
        patch.setattr(service, "opened_store", self._opened)
        patch.setattr(service, "log_clock", self._clock)
        patch.setattr(service, "using_kafka", self._using)
        patch.setattr(service, "Effects", lambda *_: None)
        patch.setattr(service, "Recorder", lambda *_: SimpleNamespace(run=self._run))
        patch.setattr(kafka, "producer", lambda *_, **__: self.producer)

    async def _opened(self, *_: Any) -> None:
        """There is no store."""

    @asynccontextmanager
    async def _clock(self, *_: Any) -> AsyncIterator[Any]:
        async def settled(stop: asyncio.Event) -> None:
            if self._stops:
                stop.set()

        yield SimpleNamespace(settled=settled, now=lambda: 0)

    @asynccontextmanager
    async def _using(self, *_: Any, reads: Any, writes: Any, groups: Any) -> AsyncIterator[None]:
        self.read = [topic.name for topic in reads]
        self.written = [topic.name for topic in writes]
        yield

    async def _run(self, *_: Any) -> None:
        assert ["started"] == self.producer.steps
        self.runs += 1


@pytest.fixture(autouse=True)
def _collector_as_before() -> Iterator[None]:
    """The recorder changes the garbage collector of its process."""
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


SETTINGS = Settings(recordings_url="file:///x")


async def test_the_producer_lives_as_long_as_the_recorder(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is started before and stopped after it. The topics are those that the recorder uses."""
    parts = Parts(monkeypatch, stops=False)
    await service.run(SETTINGS, Health(), parts.stop)
    assert (1, ["started", "stopped"]) == (parts.runs, parts.producer.steps)
    assert {"media", "recorder.checkpoints"} == set(parts.read)
    assert {"recordings", "recorder.checkpoints", "cti.dead-letters"} == set(parts.written)


async def test_a_recorder_that_is_stopped_while_it_starts_joins_no_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its producer is stopped, too."""
    parts = Parts(monkeypatch, stops=True)
    await service.run(SETTINGS, Health(), parts.stop)
    assert (0, ["started", "stopped"]) == (parts.runs, parts.producer.steps)


async def test_a_recorder_needs_a_place_for_its_recordings() -> None:
    """The error names the setting."""
    with pytest.raises(SettingsError, match="FLEXCAPTURE_RECORDINGS_URL"):
        await service.run(Settings(), Health(), asyncio.Event())
