"""The recorder as a process of its own, on a real Kafka: killed, stopped, doubled."""

import asyncio
import hashlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer

from pipeline.media.wav import HEADER_SIZE
from pipeline.runtime import kafka as clients
from pipeline.runtime.log_reader import Log
from pipeline.runtime.settings import Settings
from pipeline.store.audio import AudioStore
from schemas.codec import Undecodable, decode, encode
from schemas.records import (
    GatewayStarted,
    RecordingCompleted,
    RecordingDecided,
    RecordingStarted,
)
from schemas.topics import ALL, CALL_PARTITIONS, DEAD_LETTERS, MEDIA, RECORDINGS
from tests.buckets import BUCKET, running_bucket
from tests.kafka_topics import with_original_timestamps
from tests.pipeline.recordings.logs import (
    EPOCH,
    GATEWAY,
    T0,
    Frame,
    batch_of,
    by_the_contract,
    closed,
    opened,
    payload,
)
from tests.pipeline.recordings.verifier import verify

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SECONDS = 60
SIDS = [f"MZ{n:032x}" for n in range(5)]


def frames_of(sid: str, first: int, last: int) -> list[Frame]:
    """Frames `first` to `last` of both tracks; every 97th never came."""
    base = SIDS.index(sid) * 20_000
    return [
        Frame(track, 119 + 20 * n, payload(base + 2 * n + side, 160))
        for n in range(first, last)
        for side, track in enumerate(("inbound", "outbound"))
        if (n + side) % 97
    ]


def batches_of(sid: str, first: int, last: int) -> list[Any]:
    """The same in batches of half a second."""
    return [
        batch_of(sid, 1 + start // 25, frames_of(sid, start, min(start + 25, last)))
        for start in range(first, last, 25)
    ]


class Media:
    """Writes to `media`, reads `recordings`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.producer = clients.producer(settings)
        self.recordings: AIOKafkaConsumer = clients.consumer(
            settings, settings.prefixed(RECORDINGS.name)
        )
        self.completed: dict[str, RecordingCompleted] = {}
        self.started: dict[str, RecordingStarted] = {}
        self.supplements: dict[str, RecordingCompleted] = {}

    async def send(
        self, records: Sequence[Any], at: int | None = None, key: str | None = None
    ) -> None:
        """Records under `key`, or each media stream's under its own, acknowledged; `at`: their log
        time, ms."""
        topic = self.settings.prefixed(MEDIA.name)
        sent = []
        for record in records:
            own = (key or getattr(record, "stream_sid", "")).encode()
            sent.append(await self.producer.send(topic, encode(record), key=own, timestamp_ms=at))
        await asyncio.gather(*sent)

    async def send_raw(self, value: bytes) -> None:
        """Something that is no record."""
        await self.producer.send_and_wait(self.settings.prefixed(MEDIA.name), value, key=b"WT9")

    async def gateway_started(self, epoch: int) -> None:
        """On every partition."""
        topic = self.settings.prefixed(MEDIA.name)
        value = encode(GatewayStarted(GATEWAY, epoch, T0))
        for partition in range(CALL_PARTITIONS):
            await self.producer.send_and_wait(topic, value, partition=partition)

    async def until(self, done: Callable[[], bool]) -> None:
        """Reads `recordings` until it says so."""
        async with asyncio.timeout(SECONDS):
            while not done():
                for messages in (await self.recordings.getmany(timeout_ms=200)).values():
                    for message in messages:
                        self._take(decode(message.value))

    async def until_complete(self, sids: Sequence[str] = SIDS) -> None:
        """Until all of them are complete."""
        await self.until(lambda: set(sids) <= self.completed.keys())

    def _take(self, record: Any) -> None:
        if record.supplement_of:
            if isinstance(record, RecordingCompleted):
                known = self.supplements.setdefault(record.recording_id, record)
                assert record == known
        elif isinstance(record, RecordingStarted):
            assert record == self.started.setdefault(record.stream_sid, record)
        else:
            assert record == self.completed.setdefault(record.stream_sid, record)


@asynccontextmanager
async def on_media(settings: Settings) -> AsyncIterator[Media]:
    """The topics, and a `Media` that is connected."""
    # Tests say when their records were written.
    topics = [with_original_timestamps(topic) for topic in ALL]
    await clients.ensure_topics(settings, topics)
    media = Media(settings)
    await media.producer.start()
    await media.recordings.start()
    try:
        yield media
    finally:
        await media.producer.stop()
        await media.recordings.stop()


@asynccontextmanager
async def recorder(settings: Settings, instance: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A recorder process; killed at the end of the block if it still lives."""
    own = {
        "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "FLEXCAPTURE_TOPIC_PREFIX": settings.topic_prefix,
        "FLEXCAPTURE_RECORDINGS_URL": settings.recordings_url,
        "FLEXCAPTURE_INSTANCE": instance,
        "PYTHONPATH": str(ROOT),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cli.main",
        "recorder",
        env=os.environ | own,
        cwd=settings.state_dir.parent,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def log_of(settings: Settings) -> list[tuple[int, Any]]:
    """The records of `media` that belong to a media stream, with their offsets."""
    log, found = Log(settings, lambda *_: None), []
    await log.start()
    try:
        for span in await log.spans(MEDIA):
            async for message in log.read(span):
                with suppress(Undecodable):
                    found.append((message.offset, decode(message.value)))
    finally:
        await log.stop()
    return [each for each in found if hasattr(each[1], "stream_sid")]


async def check_audio(media: Media, sids: Sequence[str], last: int) -> None:
    """Stored audio is what a naive reading of the contract makes of the frames."""
    store, log = AudioStore.from_url(media.settings.recordings_url), await log_of(media.settings)
    for sid in sids:
        done, expected = media.completed[sid], by_the_contract(frames_of(sid, 0, last))
        audio = await store.get(done.audio)
        assert expected.samples == audio[HEADER_SIZE:]
        assert hashlib.sha256(audio).hexdigest() == done.audio_sha256
        assert (expected.received, expected.lost) == (done.received, done.lost)
        manifest = orjson.loads(await store.get(done.manifest))
        verify(audio, manifest, [each for each in log if sid == each[1].stream_sid])
    async with asyncio.timeout(SECONDS):  # they are deleted after a recording was reported complete
        while [key async for key in store.list("segments")]:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.1)


async def test_killed_in_the_middle(settings_for, prefix):
    """SIGKILL after a part was stored and a part was not, twice: the recordings are whole."""
    settings = settings_for(prefix)
    async with on_media(settings) as media:
        async with recorder(settings, "recorder-0") as process:
            await media.send([opened(sid) for sid in SIDS])
            for sid in SIDS:
                await media.send(batches_of(sid, 0, 700))
            await media.until(lambda: set(SIDS) <= media.started.keys())
            process.kill()
        async with recorder(settings, "recorder-0") as process:
            for sid in SIDS:
                await media.send(batches_of(sid, 700, 1200))
            await media.send([closed(SIDS[0])])
            await media.until_complete(SIDS[:1])
            process.kill()
        async with recorder(settings, "recorder-0") as process:
            for sid in SIDS[1:]:
                await media.send(batches_of(sid, 1200, 1500))
            await media.send([closed(sid) for sid in SIDS[1:]])
            await media.until_complete()
            process.send_signal(signal.SIGTERM)
            assert 0 == await asyncio.wait_for(process.wait(), 8)
        await check_audio(media, SIDS[:1], 1200)
        await check_audio(media, SIDS[1:], 1500)


async def test_handed_over_from_one_to_another(settings_for, prefix):
    """A second recorder takes a part, the first ends: one recording each, and whole."""
    settings = settings_for(prefix)
    async with on_media(settings) as media, recorder(settings, "recorder-0") as first:
        await media.send([opened(sid) for sid in SIDS])
        for sid in SIDS:
            await media.send(batches_of(sid, 0, 600))
        await media.until(lambda: set(SIDS) <= media.started.keys())
        async with recorder(settings, "recorder-1"):
            for sid in SIDS:
                await media.send(batches_of(sid, 600, 900))
            first.send_signal(signal.SIGTERM)
            assert 0 == await asyncio.wait_for(first.wait(), 8)
            await media.send([closed(sid) for sid in SIDS])
            await media.until_complete()
            await check_audio(media, SIDS, 900)


async def test_a_gateway_that_comes_up_again_ends_its_streams(settings_for, prefix):
    """What its earlier life left open is complete, with the reason; rubbish is a dead letter."""
    settings = settings_for(prefix)
    async with on_media(settings) as media, recorder(settings, "recorder-0"):
        await media.send([opened(sid) for sid in SIDS])
        await media.send_raw(b"rubbish")
        for sid in SIDS:
            await media.send(batches_of(sid, 0, 50))
        await media.gateway_started(EPOCH + 1)
        await media.until_complete()
        assert {"gateway-died"} == {done.reason for done in media.completed.values()}
        await check_audio(media, SIDS, 50)
        async with asyncio.timeout(SECONDS), dead_letters(settings) as letters:
            message = await letters.getone()
        letter = decode(message.value)
        assert ("undecodable", b"", "recorder") == (
            letter.reason,
            letter.original,
            letter.role,
        )
        assert letter.origin == dict(message.headers)["__connect.errors.topic"].decode()


async def test_audio_that_arrives_late_in_spite_of_kills(settings_for, prefix):
    """After the close and a SIGKILL: the first recording stays as it was, the rest is a supplement,
    once, however often it is sent; and audio after a stop is in neither."""
    settings, sid = settings_for(prefix), SIDS[0]
    other = next(s for s in SIDS if _partition(s) != _partition(sid))
    late = batches_of(sid, 500, 1000)
    stop = RecordingDecided("WT1", T0 + 10_000, "stop", "the agent left", 1)
    async with on_media(settings) as media:
        async with recorder(settings, "recorder-0") as process:
            await media.send([opened(sid), *batches_of(sid, 0, 500), closed(sid)])
            await media.send([opened(other), *batches_of(other, 0, 1000)])
            await media.send([stop], key=other)
            await media.send([closed(other)])
            await media.until_complete([sid, other])
            process.kill()
        store = AudioStore.from_url(settings.recordings_url)
        before = await store.get(media.completed[sid].audio)
        async with recorder(settings, "recorder-0") as process:
            await media.send(late[:10])
            await media.until(lambda: True)
            process.kill()
        async with recorder(settings, "recorder-0"):
            await media.send([*batches_of(sid, 400, 600), *late, *late, closed(sid)])
            await media.until(lambda: bool(media.supplements))
        (supplement,) = media.supplements.values()
        assert media.completed[sid].inum == supplement.supplement_of
        assert before == await store.get(media.completed[sid].audio)
        frames = frames_of(sid, 500, 1000)
        begin = min(frame.timestamp for frame in frames)
        moved = [replace(frame, timestamp=frame.timestamp - begin) for frame in frames]
        assert by_the_contract(moved).samples == (await store.get(supplement.audio))[HEADER_SIZE:]
        withheld = media.completed[other]
        heard = (await store.get(withheld.audio))[HEADER_SIZE:]
        whole = by_the_contract(frames_of(other, 0, 1000))
        assert whole.received == withheld.received + withheld.withheld
        assert abs(withheld.duration_ms - 12_000) <= 500
        assert whole.samples[: len(heard) - 640] == heard[:-640]


def _partition(key: str) -> int:
    return clients.partition_of(key.encode(), CALL_PARTITIONS)


async def test_into_a_bucket(settings_for, prefix, monkeypatch):
    """The same through the S3 protocol."""
    settings = settings_for(prefix, recordings_url=f"s3://{BUCKET}/here")
    with running_bucket() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        await _into_a_bucket(settings)


async def _into_a_bucket(settings: Settings) -> None:
    async with on_media(settings) as media, recorder(settings, "recorder-0"):
        await media.send([opened(sid) for sid in SIDS])
        for sid in SIDS:
            await media.send(batches_of(sid, 0, 700))
        await media.send([closed(sid) for sid in SIDS])
        await media.until_complete()
        await check_audio(media, SIDS, 700)


@asynccontextmanager
async def dead_letters(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of them, from the first on."""
    consumer = clients.consumer(settings, settings.prefixed(DEAD_LETTERS.name))
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()
