"""Reading the topic `policy` while Kafka does not answer. For its content: tests/integration."""

import asyncio
from collections.abc import Collection
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError

from agents import policy_topic
from agents.policy_topic import reading_policy
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.runtime.kafka_answers import REASON
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from schemas.codec import encode
from schemas.records import RecordingPolicy
from tests.virtual_time import virtually

VERSION = RecordingPolicy(3, 1_000, 2_500, ("*",), True, True)


class LateConsumer:
    """A consumer of a topic with one version. Kafka is away at first, and its answers are late."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.starts_to_fail, self.ends_to_fail, self.positions_to_hang = 2, 2, 1
        self.offset = 0

    async def start(self) -> None:
        """Connect."""
        if self.starts_to_fail:
            self.starts_to_fail -= 1
            raise KafkaConnectionError("no answer from any of 127.0.0.1:9")

    def assign(self, _: Collection[TopicPartition]) -> None:
        """Any."""

    async def seek_to_beginning(self, *_: TopicPartition) -> None:
        """Done."""

    async def stop(self) -> None:
        """Disconnect."""

    async def end_offsets(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """One record."""
        if self.ends_to_fail:
            self.ends_to_fail -= 1
            await asyncio.sleep(12)
            raise KafkaTimeoutError("Failed to get offsets by times in 12000 ms")
        return dict.fromkeys(tps, 1)

    async def position(self, _: TopicPartition) -> int:
        """aiokafka waits for a position for ever."""
        if self.positions_to_hang:
            self.positions_to_hang -= 1
            await asyncio.sleep(1_000_000)
        return self.offset

    async def getmany(self, *tps: TopicPartition, timeout_ms: int) -> dict[TopicPartition, Any]:
        """The record, once."""
        assert timeout_ms
        if self.offset:
            return {}
        self.offset = 1
        record = type("Record", (), {"key": b"3", "value": encode(VERSION), "offset": 0})
        return {tps[0]: [record]}


async def read(health: Health | None, reasons: set[str]) -> PolicyHistory:
    """Read the topic; add the health's reasons of the time to `reasons`."""

    async def look() -> None:
        while health:
            reasons.update(health.reasons)
            await asyncio.sleep(1)

    looking = asyncio.create_task(look())
    try:
        async with reading_policy(Settings(), health) as reader:
            return reader.history
    finally:
        looking.cancel()


def test_a_role_waits_until_it_has_read_every_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one it would decide by no list, or end."""
    monkeypatch.setattr(policy_topic, "consumer", LateConsumer)
    health, reasons = Health(), set[str]()
    history = virtually(read(health, reasons))
    assert 3 == history.latest.version
    assert {REASON} == reasons
    assert {} == health.reasons


def test_a_command_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its user gets the error."""
    monkeypatch.setattr(policy_topic, "consumer", LateConsumer)
    with pytest.raises(KafkaConnectionError):
        virtually(read(None, set()))
