"""The recorder's shell: storage and reports, and failures of the store or of Kafka."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError
from obstore.store import MemoryStore

from agents.recorder import recorder, retry
from agents.recorder.effects import Effects
from agents.recorder.retry import GivenUp
from agents.recorder.storage.files import keeping_of
from agents.recorder.storage.storage import drop_left_overs, store_recording, store_segment
from agents.recorder.work import Work
from pipeline.media.wav import HEADER_SIZE
from pipeline.recordings import assembler
from pipeline.recordings.beginnings import FirstKept, anew, frames_lost
from pipeline.recordings.effects import RecordingEnded, Refused, SegmentCut
from pipeline.recordings.keys import audio_key, draft_key, inum, manifest_key
from pipeline.recordings.partition import PartitionFold
from pipeline.runtime import kafka
from pipeline.runtime.log_clock import LogClock, machine_clock
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from pipeline.store.audio import AudioStore, StoreError
from schemas.codec import decode, encode
from schemas.records import RecorderCheckpoint, RecordingCompleted, RecordingStarted
from tests.pipeline.recordings.logs import (
    T0,
    Frame,
    batch_of,
    by_the_contract,
    closed,
    opened,
    payload,
    whose,
)

FRAMES = [Frame("inbound", 100 + 20 * n, payload(n, 160)) for n in range(50)]


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembler, "SEGMENT_BYTES", 1_600)
    monkeypatch.setattr(retry, "FIRST_DELAY_S", 0.001)
    monkeypatch.setattr(retry, "LONGEST_DELAY_S", 0.001)


@pytest.fixture(params=["objects", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> AudioStore:
    """Each of the two kinds."""
    if request.param == "objects":
        return AudioStore(MemoryStore())
    return AudioStore.from_url(tmp_path.as_uri())


@dataclass(frozen=True)
class FakeMessage:
    """A record as aiokafka gives it."""

    value: bytes = b"bytes"
    key: bytes | None = b"WT1"
    topic: str = "media"
    partition: int = 3
    offset: int = 7
    timestamp: int = T0


@dataclass
class FakeProducer:
    """Keeps the records that it is given; fails a given number of times."""

    sent: list[tuple[str, Any]] = field(default_factory=list)
    failures: Iterator[Exception] = field(default_factory=lambda: iter(()))

    async def send_and_wait(self, topic: str, value: bytes | None, **more: Any) -> None:
        """Acknowledged, or not."""
        for failure in self.failures:
            raise failure
        self.sent.append((topic, None if value is None else decode(value)))


async def no_checkpoints(
    _: Settings, partitions: Sequence[int], __: object
) -> dict[int, list[RecorderCheckpoint]]:
    """All were read, and there are none."""
    return {number: [] for number in partitions}


class FailingStore(AudioStore):
    """A store in memory that fails a given number of times, and calls a hook before each time."""

    def __init__(self, times: int, asked: Callable[[], None]) -> None:
        super().__init__(MemoryStore())
        self.times = times
        self.asked = asked

    async def put(self, key: str, data: bytes) -> None:
        """Or not."""
        if self.times:
            self.times -= 1
            self.asked()
            raise StoreError("No space left on device")
        await super().put(key, data)


def story() -> list[Work]:
    """The effects of a recording with several segments."""
    fold, work = PartitionFold(), []
    batches = [batch_of("MZ1", 1 + n, FRAMES[5 * n : 5 * n + 5]) for n in range(10)]
    for offset, record in enumerate([opened("MZ1"), *batches, closed("MZ1")]):
        work += [Work(e, FakeMessage(offset=offset)) for e in fold.handle(record, offset, T0)]
    return work


class FakeConsumer:
    """A rebalance takes place while the first call waits for records; that call then gives all the
    records of the new assignment."""

    tp = TopicPartition("media", 3)

    def __init__(self, records: Sequence[FakeMessage], ended: asyncio.Event) -> None:
        self.records = records
        self.ended = ended
        self.listener: Any = None
        self.calls = 0

    def subscribe(self, _: Sequence[str], listener: Any) -> None:
        """The listener hears of rebalances."""
        self.listener = listener

    async def start(self) -> None:
        """The first assignment."""
        await self.listener.on_partitions_assigned({self.tp})

    async def stop(self) -> None:
        """Nothing to do."""

    def assignment(self) -> set[TopicPartition]:
        """The one partition."""
        return {self.tp}

    async def commit(self, _: Mapping[TopicPartition, int]) -> None:
        """Taken."""

    async def committed(self, _: TopicPartition) -> int | None:
        """Nothing was committed before."""

    def highwater(self, _: TopicPartition) -> int | None:
        """Not known."""

    async def getmany(self, **_: Any) -> dict[TopicPartition, Sequence[FakeMessage]]:
        """Each record once."""
        self.calls += 1
        if self.calls > 1:
            self.ended.set()
            return {}
        await self.listener.on_partitions_revoked({self.tp})
        await self.listener.on_partitions_assigned({self.tp})
        return {self.tp: self.records}


def effects_on(store: AudioStore, producer: FakeProducer, health: Health) -> Effects:
    """Return the effects of a recorder with the topic prefix "t."."""
    return Effects(Settings(topic_prefix="t."), health, store, producer, machine_clock)


def of_kind(work: Sequence[Work], kind: type) -> list[Any]:
    """The effects of a kind."""
    return [item.effect for item in work if isinstance(item.effect, kind)]


async def test_a_recording_from_begin_to_end(store):
    """Audio and manifest are stored and agree with the reports, in this order: started, a
    checkpoint after each segment, complete, the closing checkpoint. No segment remains."""
    producer, health = FakeProducer(), Health()
    effects = effects_on(store, producer, health)
    for work in story():
        await effects.carry_out([work])
        await effects.settle()
    topics = [topic for topic, _ in producer.sent]
    count = len(of_kind(story(), SegmentCut))
    assert count > 2
    between = ["t.recorder.checkpoints"] * count
    assert ["t.recordings", *between, "t.recordings", "t.recorder.checkpoints"] == topics
    started, done, last = producer.sent[0][1], producer.sent[-2][1], producer.sent[-1][1]
    assert isinstance(started, RecordingStarted)
    assert isinstance(done, RecordingCompleted)
    assert T0 == last.closed_at
    audio = await store.get(done.audio)
    manifest = json.loads(await store.get(done.manifest))
    expected = by_the_contract(FRAMES)
    assert expected.samples == audio[HEADER_SIZE:]
    assert len(audio) == done.audio_bytes == manifest["audio"]["bytes"]
    assert hashlib.sha256(audio).hexdigest() == done.audio_sha256 == manifest["audio"]["sha256"]
    assert {done.audio, done.manifest} == {key async for key in store.list("")}


async def test_the_manifest_s_hashes_are_those_of_the_received_samples(store):
    """Each segment's SHA-256 can be checked against the audio."""
    producer = FakeProducer()
    await effects_on(store, producer, Health()).carry_out(story())
    done = producer.sent[-2][1]
    left = (await store.get(done.audio))[HEADER_SIZE::2]
    for segment in json.loads(await store.get(done.manifest))["segments"]:
        received = b"".join(
            left[piece["at"] : piece["at"] + piece["frames"] * piece["size"]]
            for piece in segment["tracks"]["inbound"]["ranges"]
            if piece["kind"] == "received"
        )
        assert hashlib.sha256(received).hexdigest() == segment["sha256"]


async def test_a_refusing_store_is_an_alarm_and_nothing_is_dropped():
    """It is tried again in place, unhealthy meanwhile; no checkpoint says more than is stored."""
    health, producer, seen = Health(), FakeProducer(), []
    store = FailingStore(3, lambda: seen.append((dict(health.reasons), len(producer.sent))))
    await effects_on(store, producer, health).carry_out(story())
    assert [{}, "recordings-store", "recordings-store"] == [
        next(iter(reasons), {}) for reasons, _ in seen
    ]
    assert {1} == {sent for _, sent in seen}
    assert {} == health.reasons
    assert by_the_contract(FRAMES).received == producer.sent[-2][1].received


async def test_kafka_away_for_a_while():
    """Reports are repeated while Kafka is unavailable, like stored files."""
    failures: Iterator[Exception] = iter([KafkaTimeoutError(), KafkaTimeoutError()])
    health, producer = Health(), FakeProducer(failures=failures)
    await effects_on(AudioStore(MemoryStore()), producer, health).carry_out(story())
    assert isinstance(producer.sent[-2][1], RecordingCompleted)
    assert {} == health.reasons


async def test_kafka_away_for_too_long(monkeypatch):
    """The process ends if Kafka is unavailable for too long; its supervisor restarts it."""
    monkeypatch.setattr(retry, "KAFKA_PATIENCE_S", -1.0)
    producer = FakeProducer(failures=iter([TopicAuthorizationFailedError()]))
    with pytest.raises(ExceptionGroup) as raised:
        await effects_on(AudioStore(MemoryStore()), producer, Health()).carry_out(story())
    assert raised.group_contains(TopicAuthorizationFailedError)


async def test_giving_up():
    """A rebalance does not wait for a store that refuses."""
    health = Health()
    store = FailingStore(10**9, lambda: None)
    effects = effects_on(store, FakeProducer(), health)
    store.asked = effects.retry.giving_up.set
    async with asyncio.timeout(10):
        with pytest.raises(GivenUp):
            await effects.carry_out(story())
    assert {} == health.reasons


async def test_what_is_refused_is_a_dead_letter():
    """The dead letter has the reason and the position, but not the bytes, which may be audio."""
    producer = FakeProducer()
    effects = effects_on(AudioStore(MemoryStore()), producer, Health())
    await effects.carry_out([Work(Refused("undecodable", "no header"), FakeMessage())])
    ((topic, letter),) = producer.sent
    assert ("t.cti.dead-letters", "undecodable", b"") == (
        topic,
        letter.reason,
        letter.original,
    )
    assert ("media", "3", "7") == (letter.origin, letter.part, letter.position)


async def _with_segments(store: AudioStore) -> RecordingEnded:
    work = story()
    for cut in of_kind(work, SegmentCut):
        await store_segment(store, cut)
    (ended,) = of_kind(work, RecordingEnded)
    return ended


async def test_completed_by_another_recorder():
    """If the segments are gone because another recorder completed the recording, the same is
    reported."""
    store = AudioStore(MemoryStore())
    ended = await _with_segments(store)
    done = await store_recording(store, ended, 3)
    await store.delete([key async for key in store.list("segments")])
    assert done == await store_recording(store, ended, 3)


async def test_a_segment_that_is_lost_is_no_silence():
    """A recording that lacks a segment is not written, and the loss is reported."""
    store = AudioStore(MemoryStore())
    ended = await _with_segments(store)
    await store.delete([sorted([key async for key in store.list("segments")])[1]])
    with pytest.raises(FileNotFoundError):
        await store_recording(store, ended, 3)
    for key in (audio_key(whose("MZ1")), manifest_key(whose("MZ1"))):
        with pytest.raises(FileNotFoundError):
            await store.size(key)


async def test_left_over_segments():
    """Those of complete recordings go, those of others stay."""
    store = AudioStore(MemoryStore())
    ended = await _with_segments(store)
    await store.put("segments/176387986200000000-0123456789abcdef-000000", b"another's")
    closing: RecorderCheckpoint = ended.checkpoint
    assert ended.stored == await drop_left_overs(store, [closing])
    assert 1 == len([key async for key in store.list("segments")])
    assert 0 == await drop_left_overs(store, [closing])


@pytest.mark.parametrize("gone", ["all", "something"])
async def test_a_recording_whose_files_are_gone_can_be_made_once_more(store, gone):
    """From its first record, under the same INUM: as if nothing had happened."""
    work = [item for item in story() if not isinstance(item.effect, RecordingEnded)]
    producer = FakeProducer()
    effects = effects_on(store, producer, Health())
    await effects.carry_out(work)
    await effects.settle()
    [checkpoint] = [r for _, r in producer.sent if isinstance(r, RecorderCheckpoint)]
    keeping = keeping_of(store)
    assert await keeping.is_intact(checkpoint)
    keys = [key async for key in store.list("")]
    await store.delete(keys if gone == "all" else keys[:1])
    assert not await keeping.is_intact(checkpoint)
    await keeping.clear(checkpoint)
    assert not [key async for key in store.list("")]

    fold, producer = PartitionFold([anew(checkpoint, FirstKept(1, {}))]), FakeProducer()
    assert 0 == fold.resume_offset(99)
    again = []
    for message in messages("MZ1", 0, 12, 3):
        effects_of = fold.handle(decode(message.value), message.offset, T0)
        again += [Work(each, message) for each in effects_of]
    effects = effects_on(store, producer, Health())
    await effects.carry_out(again)
    await effects.settle()
    [done] = [r for _, r in producer.sent if isinstance(r, RecordingCompleted)]
    assert (inum(whose("MZ1")), 50, 0) == (done.inum, done.received, done.lost)
    assert by_the_contract(FRAMES).samples == (await store.get(done.audio))[HEADER_SIZE:]


@pytest.mark.parametrize("first", [3, 6, 9])
async def test_what_has_expired_of_such_a_recording_counts_as_lost(store, first):
    """With the reason, and it is one recording all the same."""
    fold = PartitionFold()
    for offset, message in enumerate(messages("MZ1", 0, 10, 3)):
        fold.handle(decode(message.value), offset, T0)
    [checkpoint] = fold.snapshots(10)
    lost = 5 * (first - 1)
    kept = FirstKept(first, {"inbound": FRAMES[lost].timestamp})
    assert lost == frames_lost(checkpoint, kept)
    fold, producer = PartitionFold([anew(checkpoint, kept)]), FakeProducer()
    work = []
    for message in messages("MZ1", 0, 12, 3)[first:]:
        effects_of = fold.handle(decode(message.value), message.offset, T0 + 100_000)
        work += [Work(each, message) for each in effects_of]
    effects = effects_on(store, producer, Health())
    await effects.carry_out(work)
    [done] = [r for _, r in producer.sent if isinstance(r, RecordingCompleted)]
    assert (inum(whose("MZ1")), 50 - lost, lost) == (done.inum, done.received, done.lost)
    assert {"files-gone": lost} == done.lost_for


async def test_what_comes_right_after_a_rebalance_is_recorded(monkeypatch):
    """Kafka gives it once: thrown away, a media stream's last record would leave its recording
    open for ever."""
    records = [opened("MZ1"), batch_of("MZ1", 1, FRAMES[:5]), closed("MZ1")]
    messages = [FakeMessage(encode(record), offset=n) for n, record in enumerate(records)]
    stop, producer, store = asyncio.Event(), FakeProducer(), AudioStore(MemoryStore())
    consumer = FakeConsumer(messages, stop)

    monkeypatch.setattr(recorder, "read_checkpoints", no_checkpoints)
    monkeypatch.setattr(kafka, "consumer", lambda *_, **__: consumer)
    effects = effects_on(store, producer, Health())
    async with asyncio.timeout(10):
        await recorder.Recorder(Settings(), store, effects, LogClock()).run(Health(), stop)
    told = [type(record) for topic, record in producer.sent if topic == "t.recordings"]
    assert [RecordingStarted, RecordingCompleted] == told


async def test_what_is_gone_stops_its_own_partition_only(monkeypatch, tmp_path):
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
    consumer = Rounds(rounds, stop, tmp_path / draft_key(whose("MZ1")), health)

    monkeypatch.setattr(recorder, "read_checkpoints", no_checkpoints)
    monkeypatch.setattr(kafka, "consumer", lambda *_, **__: consumer)
    effects = effects_on(store, producer, health)
    async with asyncio.timeout(10):
        await recorder.Recorder(Settings(), store, effects, LogClock()).run(health, stop)
    done = [r.stream_sid for _, r in producer.sent if isinstance(r, RecordingCompleted)]
    assert ["MZ2"] == done
    assert [first] == consumer.paused
    assert inum(whose("MZ1")) in consumer.reasons["partition-3"]
    assert consumer.offsets[first] <= 6
    assert 12 == consumer.offsets[second]


def messages(sid: str, first: int, last: int, partition: int, offset: int = 0) -> list[FakeMessage]:
    """Records `first` to `last` of the 12 of a recording with several segments."""
    batches = [batch_of(sid, 1 + n, FRAMES[5 * n : 5 * n + 5]) for n in range(10)]
    records = list(enumerate([opened(sid), *batches, closed(sid)], offset))
    return [
        FakeMessage(encode(record), partition=partition, offset=at)
        for at, record in records[first:last]
    ]


class Rounds(FakeConsumer):
    """Gives rounds of records of two partitions; after the first, a file is deleted."""

    def __init__(
        self,
        rounds: Sequence[Mapping[TopicPartition, Sequence[FakeMessage]]],
        ended: asyncio.Event,
        deleted: Path,
        health: Health,
    ) -> None:
        super().__init__([], ended)
        self.rounds = rounds
        self.deleted = deleted
        self.health = health
        self.paused: list[TopicPartition] = []
        self.offsets: dict[TopicPartition, int] = {}
        self.reasons: dict[str, str] = {}

    def assignment(self) -> set[TopicPartition]:
        """Both."""
        return {tp for messages in self.rounds for tp in messages}

    def pause(self, *tps: TopicPartition) -> None:
        """Noted."""
        self.paused += tps

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Kept."""
        self.offsets |= offsets

    async def getmany(self, **_: Any) -> Mapping[TopicPartition, Sequence[FakeMessage]]:
        """A round."""
        self.calls += 1
        if self.calls == 2:
            self.deleted.unlink()
        if self.calls > len(self.rounds):
            self.reasons = self.health.reasons
            self.ended.set()
            return {}
        return self.rounds[self.calls - 1]
