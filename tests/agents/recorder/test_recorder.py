"""The recorder's loop over its partitions."""

import asyncio

from aiokafka import TopicPartition
from obstore.store import MemoryStore

from agents.recorder import recorder
from pipeline.recordings.keys import draft_key, inum
from pipeline.runtime import kafka
from pipeline.runtime.log_clock import LogClock
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from pipeline.store.audio import AudioStore
from schemas.codec import encode
from schemas.records import RecordingCompleted, RecordingStarted
from tests.agents.recorder.parts import (
    FRAMES,
    FakeConsumer,
    FakeMessage,
    FakeProducer,
    Rounds,
    effects_on,
    messages,
    no_checkpoints,
)
from tests.pipeline.recordings.logs import batch_of, closed, opened, opened_recording


async def test_what_comes_right_after_a_rebalance_is_recorded(monkeypatch):
    """Kafka delivers it once: if it were discarded, a media stream's last record would leave its
    recording open for ever."""
    records = [opened("MZ1"), batch_of("MZ1", 1, FRAMES[:5]), closed("MZ1")]
    messages = [FakeMessage(encode(record), offset=n) for n, record in enumerate(records)]
    stop, producer, store = asyncio.Event(), FakeProducer(), AudioStore(MemoryStore())
    consumer = FakeConsumer(messages, stop)

    monkeypatch.setattr(recorder, "read_checkpoints", no_checkpoints)
    monkeypatch.setattr(kafka, "consumer", lambda *_, **__: consumer)
    effects = effects_on(store, producer, Health())
    async with asyncio.timeout(10):
        await recorder.Recorder(Settings(), store, effects, LogClock()).run(Health(), stop)
    reports = [type(record) for topic, record in producer.sent if topic == "t.recordings"]
    assert [RecordingStarted, RecordingCompleted] == reports


async def test_missing_files_stop_their_own_partition_only(monkeypatch, tmp_path):
    """A deleted draft raises an alarm that names the recording. No later record of its partition is
    processed or committed, and recordings of other partitions are completed."""
    store = AudioStore.from_url(tmp_path.as_uri())
    first, second = FakeConsumer.tp, TopicPartition("media", 4)
    rounds = [
        {first: messages("MZ1", 0, 6, 3), second: messages("MZ2", 0, 6, 4)},
        {first: messages("MZ1", 6, 12, 3), second: messages("MZ2", 6, 12, 4)},
        {first: messages("MZ3", 0, 12, 3, offset=12)},
    ]
    stop, health, producer = asyncio.Event(), Health(), FakeProducer()
    consumer = Rounds(rounds, stop, tmp_path / draft_key(opened_recording("MZ1")), health)

    monkeypatch.setattr(recorder, "read_checkpoints", no_checkpoints)
    monkeypatch.setattr(kafka, "consumer", lambda *_, **__: consumer)
    effects = effects_on(store, producer, health)
    async with asyncio.timeout(10):
        await recorder.Recorder(Settings(), store, effects, LogClock()).run(health, stop)
    done = [r.stream_sid for _, r in producer.sent if isinstance(r, RecordingCompleted)]
    assert ["MZ2"] == done
    assert [first] == consumer.paused
    assert inum(opened_recording("MZ1")) in consumer.reasons["partition-3"]
    assert consumer.offsets[first] <= 6
    assert 12 == consumer.offsets[second]
