"""`flexcapture policy accept`. With Kafka: tests/integration/test_monitored_list.py."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from cli import policy
from cli.policy import STALE_MS, accept, held_now
from pipeline.runtime.settings import Settings
from schemas.codec import decode
from schemas.records import PolicyAccepted, PolicyHeldBack

NOW = 100_000
LOST, ADDED = ("ann@example.com", "bob@example.com"), ("cy@example.com",)
HELD = PolicyHeldBack("abc", 7, "one", NOW, NOW + 1, 9, 5, LOST, 1, ADDED)


class Kafka:
    """The topic of the list, with these lists held back. `sent`: the accepted ones."""

    def __init__(self, patch: pytest.MonkeyPatch, *held: PolicyHeldBack) -> None:
        self.held = held
        self.sent: list[Any] = []
        self.error: Exception | None = None
        self.is_stopped = False
        patch.setattr(policy, "reading_policy", self._reading)
        patch.setattr(policy, "log_time", self._now)
        patch.setattr(policy, "producer", lambda *_, **__: self)

    @asynccontextmanager
    async def _reading(self, _: Settings) -> AsyncIterator[Any]:
        if self.error is not None:
            raise self.error
        yield SimpleNamespace(held_back=dict(enumerate(self.held)))

    async def _now(self, _: Settings) -> int:
        return NOW

    async def start(self) -> None:
        """Connect."""

    async def send_and_wait(self, topic: str, value: bytes, key: bytes, *, partition: int) -> None:
        self.sent.append((topic, decode(value), key, partition))

    async def stop(self) -> None:
        self.is_stopped = True


def test_a_list_that_is_held_back_is_accepted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, although several stream managers hold it back. Its changes are printed, and how many
    more there are."""
    kafka = Kafka(monkeypatch, HELD, HELD)
    assert 0 == accept(Settings(topic_prefix="p."))
    record = PolicyAccepted("abc", 7, NOW)
    assert [("p.policy", record, b"accepted:abc", 0)] == kafka.sent
    assert [
        "accepted: 9 entries were in force", "- ann@example.com", "- bob@example.com",
        "- and 3 more", "+ cy@example.com",
    ] == capsys.readouterr().out.splitlines()  # fmt: skip
    assert kafka.is_stopped


def test_without_a_list_nothing_is_accepted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 1: the operator expected one."""
    kafka = Kafka(monkeypatch)
    assert 1 == accept(Settings())
    assert "no monitored list is held back" in capsys.readouterr().err
    assert [] == kafka.sent


@pytest.mark.parametrize("error", [KafkaConnectionError("away"), TimeoutError()], ids=repr)
def test_an_absent_kafka_has_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    """With the reason."""
    Kafka(monkeypatch).error = error
    assert 1 == accept(Settings())
    assert (str(error) or "no answer in time") in capsys.readouterr().err


def test_what_a_process_that_is_gone_held_back_is_not_accepted() -> None:
    """It should have taken effect long ago; the same content is accepted once."""
    held = PolicyHeldBack("h", 1, "one", 0, 1_000, 3, 3, (), 0, ())
    assert [held] == held_now([held, held], 1_000 + STALE_MS - 1)
    assert [] == held_now([held], 1_000 + STALE_MS)
