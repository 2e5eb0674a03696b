"""A recorder process, and the records of `media` for it."""

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer

from pipeline.media.wav import HEADER_SIZE
from pipeline.runtime import kafka as clients
from pipeline.runtime.log_reader import Log
from pipeline.runtime.settings import Settings
from pipeline.store.audio import AudioStore
from schemas.codec import Undecodable, decode, encode
from schemas.records import GatewayStarted, RecordingCompleted, RecordingStarted
from schemas.topics import ALL, CALL_PARTITIONS, MEDIA, RECORDINGS
from tests.kafka_topics import with_original_timestamps
from tests.pipeline.recordings.logs import GATEWAY, T0, Frame, batch_of, by_the_contract, payload
from tests.pipeline.recordings.verifier import verify

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
        """A record that cannot be decoded."""
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
