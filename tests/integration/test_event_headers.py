"""The headers of records on the real Kafka, read with Confluent's own client."""

import asyncio
from contextlib import closing

import pytest
from confluent_kafka import Consumer, Message

from agents.faust_runner.sending import Patient
from pipeline.runtime.kafka import ensure_topics, producer
from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.records import RecordingDecided, Tick
from schemas.topics import STREAM_EVENTS
from tests.conftest import SettingsFor

pytestmark = pytest.mark.integration

NOON = 1_769_860_800_123
TASK = "WT" + "a" * 32
DECIDED = encode(RecordingDecided(TASK, NOON, "record", "monitored", 1))


def _read(settings: Settings, topic: str, count: int) -> list[Message]:
    """Return the records of a topic."""
    configuration = {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "group.id": settings.prefixed("reader"),
        "auto.offset.reset": "earliest",
    }
    found: list[Message] = []
    with closing(Consumer(configuration)) as reader:
        reader.subscribe([topic])
        while len(found) < count:
            message = reader.poll(1)
            if message is not None:
                assert message.error() is None
                found.append(message)
    return found


async def test_records_can_be_filtered_without_decoding(
    settings_for: SettingsFor, prefix: str
) -> None:
    """Every way of sending gives a record its headers, after those of its own."""
    settings = settings_for(prefix)
    await ensure_topics(settings, [STREAM_EVENTS])
    topic = settings.prefixed(STREAM_EVENTS.name)
    async with producer(settings, source="stream-manager") as sender:
        patient = Patient(sender)
        await sender.send_and_wait(topic, DECIDED, b"1", headers=[("own", b"x")])
        await (await patient.send(topic, DECIDED, b"2"))
        await patient.send_alone(topic, DECIDED, b"3", headers=[("own", b"x")])
        await sender.send_and_wait(topic, encode(Tick(NOON)), b"4")
        await sender.send_and_wait(topic, b"not ours", b"5")
        await sender.send_and_wait(topic, None, b"6")
    found = {
        each.key(): each.headers() or []
        for each in await asyncio.to_thread(_read, settings, topic, 6)
    }
    decided = {
        key for key, own in found.items() if ("ce_type", b"flexcapture.RecordingDecided") in own
    }
    assert {b"1", b"2", b"3"} == decided
    assert ("own", b"x") == found[b"1"][0] == found[b"3"][0]
    assert found[b"1"][1:] == found[b"2"] == found[b"3"][1:]
    assert dict(found[b"2"]) == {
        "ce_specversion": b"1.0",
        "ce_type": b"flexcapture.RecordingDecided",
        "ce_source": b"/flexcapture/stream-manager",
        "ce_id": dict(found[b"1"])["ce_id"],
        "ce_time": b"2026-01-31T12:00:00.123Z",
        "content-type": b"application/avro",
    }
    assert b"flexcapture.Tick" == dict(found[b"4"])["ce_type"]
    assert [] == found[b"5"] == found[b"6"]
