"""A recorder that is killed, joined by another, or given late audio: recordings are whole."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer

from pipeline.media.wav import HEADER_SIZE
from pipeline.runtime import kafka as clients
from pipeline.runtime.settings import Settings
from pipeline.store.audio import AudioStore
from schemas.codec import decode
from schemas.records import RecordingDecided
from schemas.topics import CALL_PARTITIONS, DEAD_LETTERS
from tests.integration.recorder_process import (
    SECONDS,
    SIDS,
    batches_of,
    check_audio,
    frames_of,
    on_media,
    recorder,
)
from tests.pipeline.recordings.logs import EPOCH, T0, by_the_contract, closed, opened

pytestmark = pytest.mark.integration


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
    other = next(s for s in SIDS if partition_of_task(s) != partition_of_task(sid))
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
        expected = by_the_contract(frames_of(other, 0, 1000))
        assert expected.received == withheld.received + withheld.withheld
        assert abs(withheld.duration_ms - 12_000) <= 500
        assert expected.samples[: len(heard) - 640] == heard[:-640]


def partition_of_task(key: str) -> int:
    return clients.partition_of(key.encode(), CALL_PARTITIONS)


@asynccontextmanager
async def dead_letters(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of them, from the first on."""
    consumer = clients.consumer(settings, settings.prefixed(DEAD_LETTERS.name))
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()
