"""The recorder's side of the recordings store: segments, the finished recording, left-overs."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing

import orjson

from pipeline.media.wav import CHANNELS, HEADER_SIZE
from pipeline.recordings.manifest import END, completed, entry, head
from pipeline.recordings.names import SEGMENTS, audio_key, manifest_key, segment_key
from pipeline.recordings.partition import RecordingEnded, SegmentCut
from pipeline.recordings.weave import Fetch, wav
from pipeline.store.audio import AudioStore
from schemas.codec import decode, encode
from schemas.records import RecorderCheckpoint, RecordingCompleted, RecordingSegment


async def store_segment(store: AudioStore, cut: SegmentCut) -> None:
    """Stores the segment. Raises `StoreError`; repeating it is harmless."""
    r = cut.recording
    key = segment_key(r.stream_sid, r.started_at, cut.segment.index)
    await store.put(key, encode(cut.segment))


async def store_recording(
    store: AudioStore, ended: RecordingEnded, partition: int
) -> RecordingCompleted:
    """Writes the WAV, then the manifest, and returns what is to be told.

    Raises `StoreError`; repeating it is harmless. Raises `FileNotFoundError` where a segment is
    gone, and nobody else has completed this recording either.
    """
    try:
        size, sha256 = await _write(store, ended, partition)
    except FileNotFoundError:
        # The segments go only after the manifest is there: another recorder was here before.
        key = manifest_key(ended.recording.stream_sid, ended.recording.started_at)
        audio = orjson.loads(await store.get(key))["audio"]
        size, sha256 = audio["bytes"], audio["sha256"]
    return completed(ended, size, sha256)


async def _write(store: AudioStore, ended: RecordingEnded, partition: int) -> tuple[int, str]:
    r = ended.recording
    digest = hashlib.sha256()
    fetch = _fetch(store, ended)

    async def hashed() -> AsyncIterator[bytearray]:
        async with aclosing(wav(fetch, ended.stored + 1, ended.samples)) as pieces:
            async for piece in pieces:
                digest.update(piece)
                yield piece

    await store.put_chunks(audio_key(r.stream_sid, r.started_at), hashed())
    size, sha256 = HEADER_SIZE + CHANNELS * ended.samples, digest.hexdigest()
    manifest = _manifest(fetch, ended, head(ended, partition, size, sha256))
    await store.put_chunks(manifest_key(r.stream_sid, r.started_at), manifest)
    return size, sha256


async def drop_segments(store: AudioStore, ended: RecordingEnded) -> None:
    """Deletes the segments of a recording that was told complete."""
    r = ended.recording
    await store.delete(segment_key(r.stream_sid, r.started_at, n) for n in range(ended.stored))


async def drop_left_overs(store: AudioStore, closed: Iterable[RecorderCheckpoint]) -> int:
    """Deletes segments of complete recordings that a killed recorder left; how many there were."""
    complete = {_base(segment_key(c.stream_sid, c.started_at, 0)) for c in closed if c.segments}
    if not complete:
        return 0
    left_over = [key async for key in store.list(SEGMENTS) if _base(key) in complete]
    await store.delete(left_over)
    return len(left_over)


def _base(key: str) -> str:
    return key.rpartition("-")[0]


def _fetch(store: AudioStore, ended: RecordingEnded) -> Fetch:
    r = ended.recording
    latest: list[RecordingSegment] = []

    async def fetch(index: int) -> RecordingSegment:
        if index == ended.stored:
            return ended.tail
        # Both tracks mostly want the same segment, one after the other.
        if latest and latest[0].index == index:
            return latest[0]
        segment = decode(await store.get(segment_key(r.stream_sid, r.started_at, index)))
        assert isinstance(segment, RecordingSegment)
        latest[:] = [segment]
        return segment

    return fetch


async def _manifest(
    fetch: Fetch, ended: RecordingEnded, beginning: bytes
) -> AsyncGenerator[bytes, None]:
    piece = bytearray(beginning)
    for index in range(ended.stored + 1):
        piece += (b"," if index else b"") + entry(await fetch(index))
        if len(piece) > 256 * 1024:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece + END)
