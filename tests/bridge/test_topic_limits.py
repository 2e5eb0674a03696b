"""The largest messages that the topics accept. With Kafka:
tests/integration/test_dead_letters.py."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from bridge import topic_limits as module
from bridge.topic_limits import topic_limits
from pipeline.runtime.kafka import MAX_REQUEST_BYTES
from pipeline.runtime.settings import Settings


class Admin:
    """Topics with their largest messages, one broker's answer for each. `error`: instead."""

    def __init__(self, error: Exception | None = None, **limits: str) -> None:
        self.is_open = False
        self._limits = limits
        self._error = error

    async def start(self) -> None:
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False

    async def describe_configs(self, resources: Any) -> list[Any]:
        if self._error is not None:
            raise self._error
        return [
            SimpleNamespace(resources=[(0, "", 2, name, [*_entries(self._limits.get(name))])])
            for name in (resource.name for resource in resources)
        ]


def _entries(limit: str | None) -> list[tuple[str, str]]:
    entries = [("retention.ms", "5")]
    return entries if limit is None else [*entries, ("max.message.bytes", limit)]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"p.cti.events": "1000", "p.cti.dead-letters": "2000"}, (1_000, 2_000)),
        ({"p.cti.events": "1000"}, (1_000, MAX_REQUEST_BYTES)),
        ({}, (MAX_REQUEST_BYTES, MAX_REQUEST_BYTES)),  # without the ACL
        ({"p.cti.events": "99999999"}, (MAX_REQUEST_BYTES, MAX_REQUEST_BYTES)),
    ],
)
async def test_each_topic_has_its_limit(
    limits: dict[str, str], expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never more than a producer sends. An unknown limit is the one that topics are created
    with."""
    admin = Admin(**limits)
    monkeypatch.setattr(module, "admin_client", lambda *_: admin)
    found = await topic_limits(Settings(topic_prefix="p."))
    assert expected == (found.event_bytes, found.dead_letter_bytes)
    assert not admin.is_open


async def test_a_client_that_fails_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller gets Kafka's error, and tries again."""
    admin = Admin(KafkaConnectionError("away"))
    monkeypatch.setattr(module, "admin_client", lambda *_: admin)
    with pytest.raises(KafkaConnectionError):
        await topic_limits(Settings())
    assert not admin.is_open
