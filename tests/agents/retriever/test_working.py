"""The settings of a retriever at work."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaConnectionError
from cryptography.hazmat.primitives.asymmetric import rsa

from agents.retriever import working
from agents.retriever.working import decryption_keys, download_directory
from pipeline.recovery.wanted import Recovery
from pipeline.runtime import kafka
from pipeline.runtime.settings import Settings, SettingsError
from pipeline.runtime.telemetry import Health
from tests.pipeline.recovery.test_decryption import pem


def test_a_wrong_private_key_is_refused_by_its_name() -> None:
    """Without a word of it."""
    assert () == decryption_keys(Settings())
    key = rsa.generate_private_key(65537, 2048)
    assert 1 == len(decryption_keys(Settings(recording_private_key=pem(key))))
    with pytest.raises(SettingsError, match="RECORDING_PRIVATE_KEY") as refused:
        decryption_keys(Settings(recording_private_key="guessable"))
    assert "guessable" not in str(refused.value)


async def test_each_process_has_a_directory_of_its_own_for_downloads(tmp_path: Path) -> None:
    """Which others cannot read, and which it finds again after a restart."""
    first = Settings(state_dir=tmp_path, instance="retriever-0")
    second = Settings(state_dir=tmp_path, instance="retriever-1")
    async with download_directory(first) as one, download_directory(second) as two:
        assert one != two
        assert 0o700 == one.stat().st_mode & 0o777
    async with download_directory(first) as again:
        assert one == again


async def test_without_a_state_directory_downloads_have_an_unpredictable_one() -> None:
    """In the directory of temporary files another user could make a known one first. It is deleted
    at the end."""
    names = []
    for _ in range(2):
        async with download_directory(Settings(instance="retriever-0")) as directory:
            names.append(directory)
            assert 0o700 == directory.stat().st_mode & 0o777
            (directory / "RE1.wav").write_bytes(b"?")
        assert not directory.exists()
    assert names[0] != names[1]


async def test_files_of_jobs_that_another_process_has_are_deleted(tmp_path: Path) -> None:
    """After a day; a download that was begun lately is continued."""
    settings = Settings(state_dir=tmp_path, instance="retriever-0")
    async with download_directory(settings) as directory:
        for name, age_s in (("RE1.wav", 90_000), ("RE2.wav", 3_600)):
            (directory / name).write_bytes(b"?")
            at = time.time() - age_s
            os.utime(directory / name, (at, at))
    async with download_directory(settings) as directory:
        assert ["RE2.wav"] == [path.name for path in directory.iterdir()]


class Slow:
    """A producer to which Kafka does not answer at first."""

    def __init__(self) -> None:
        self.starts = self.stops = 0

    async def start(self) -> None:
        """Fail once."""
        self.starts += 1
        if self.starts == 1:
            raise KafkaConnectionError("no answer")

    async def stop(self) -> None:
        """Count."""
        self.stops += 1


async def test_it_waits_for_a_kafka_that_does_not_answer_its_producer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As the other roles do: it does not end."""
    producer, stop = Slow(), asyncio.Event()
    stop.set()

    @asynccontextmanager
    async def ready(*_: object, **__: object) -> AsyncIterator[SimpleNamespace]:
        yield SimpleNamespace()

    async def settled(_: object) -> None:
        return None

    @asynccontextmanager
    async def clock(*_: object) -> AsyncIterator[SimpleNamespace]:
        yield SimpleNamespace(settled=settled)

    monkeypatch.setattr(working, "log_clock", clock)
    monkeypatch.setattr(working, "using_kafka", ready)
    monkeypatch.setattr(working, "history_api", ready)
    monkeypatch.setattr(kafka, "producer", lambda *_, **__: producer)
    settings = Settings(recordings_url=(tmp_path / "recordings").as_uri(), state_dir=tmp_path)
    await working.retrieve(settings, Health(), stop, Recovery.ALL)
    assert (2, 1) == (producer.starts, producer.stops)
