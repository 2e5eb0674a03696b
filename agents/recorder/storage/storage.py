"""How the recorder keeps recordings in the making, and completes them: what every kind of store
has to do, and the kind for buckets, where a segment is an object."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Protocol

import orjson

from pipeline.media.wav import CHANNELS, HEADER_SIZE
from pipeline.recordings.effects import RecordingEnded, SegmentCut
from pipeline.recordings.interleave import Fetch, silenced, wav
from pipeline.recordings.keys import (
    SEGMENTS,
    audio_key,
    manifest_key,
    recording_of,
    segment_key,
)
from pipeline.recordings.manifest import END, completed, completed_before, entry, head
from pipeline.recordings.withholding import without_withheld
from pipeline.store.audio import AudioStore
from schemas.codec import decode, encode
from schemas.records import RecorderCheckpoint, RecordingCompleted, RecordingSegment


class Keeping(Protocol):
    """Keeps recordings in the making. Every method raises `StoreError` where the store fails, and
    may be repeated, but for `sync`."""

    @property
    def together(self) -> bool:
        """Whether segments of several recordings are best stored by one call."""

    async def store(self, cuts: Sequence[SegmentCut]) -> None:
        """Takes segments in, those of a recording in order. Raises `FileNotFoundError` where what
        came before them is gone, and the recording is not complete either."""

    async def sync(self) -> None:
        """All that was taken in is safe on return. Where it raises `StoreError` all of it is in
        doubt: this process must not go on, but begin again from what was safe before."""

    async def complete(self, ended: RecordingEnded, partition: int) -> RecordingCompleted:
        """Stores the WAV, then the manifest, and returns what is to be told; both are safe then.
        Raises `FileNotFoundError` where a segment is gone, and nobody else has completed this
        recording either."""

    async def drop(self, ended: RecordingEnded) -> None:
        """Deletes what is left of a recording that was told complete."""

    async def is_intact(self, checkpoint: RecorderCheckpoint) -> bool:
        """Whether all that the checkpoint counts on is there, or the recording is complete."""

    async def clear(self, checkpoint: RecorderCheckpoint) -> None:
        """Deletes all there is of a recording in the making."""


class ObjectKeeping:
    """Each segment is an object, and safe as soon as it is stored. `moved` is called for each part
    of a large recording that was read or written."""

    together = False

    def __init__(self, store: AudioStore, moved: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._moved = moved

    async def store(self, cuts: Sequence[SegmentCut]) -> None:
        """See `Keeping`."""
        for cut in cuts:
            await store_segment(self._store, cut)

    async def sync(self) -> None:
        """Nothing to do."""

    async def complete(self, ended: RecordingEnded, partition: int) -> RecordingCompleted:
        """See `Keeping`."""
        return await store_recording(self._store, ended, partition, self._moved)

    async def drop(self, ended: RecordingEnded) -> None:
        """See `Keeping`."""
        r = ended.recording
        keys = (segment_key(r, n) for n in range(ended.stored))
        await self._store.delete(keys)

    async def is_intact(self, checkpoint: RecorderCheckpoint) -> bool:
        """See `Keeping`."""
        r = recording_of(checkpoint)
        keys = {segment_key(r, n) for n in range(checkpoint.segments)}
        there = {key async for key in self._store.list(SEGMENTS) if key in keys}
        return there == keys or await is_there(self._store, manifest_key(r))

    async def clear(self, checkpoint: RecorderCheckpoint) -> None:
        """See `Keeping`."""
        r = recording_of(checkpoint)
        await self._store.delete(segment_key(r, n) for n in range(checkpoint.segments + 1))


async def is_there(store: AudioStore, key: str) -> bool:
    """Whether there is an object of that key. Raises `StoreError`."""
    try:
        await store.size(key)
    except FileNotFoundError:
        return False
    return True


async def store_segment(store: AudioStore, cut: SegmentCut) -> None:
    """Stores the segment. Raises `StoreError`; repeating it is harmless."""
    key = segment_key(cut.recording, cut.segment.index)
    await store.put(key, encode(cut.segment))


async def store_recording(
    store: AudioStore,
    ended: RecordingEnded,
    partition: int,
    moved: Callable[[], None] = lambda: None,
) -> RecordingCompleted:
    """Writes the WAV, then the manifest, and returns what is to be told.

    Raises `StoreError`; repeating it is harmless. Raises `FileNotFoundError` where a segment is
    gone, and nobody else has completed this recording either.
    """
    try:
        return await _write(store, ended, partition, moved)
    except FileNotFoundError:
        # The segments go only after the manifest is there: another recorder was here before.
        return await told_before(store, ended)


async def told_before(store: AudioStore, ended: RecordingEnded) -> RecordingCompleted:
    """What is to be told of a recording whose manifest is there. Raises `FileNotFoundError`."""
    manifest = await store.get(manifest_key(ended.recording))
    return completed_before(ended, orjson.loads(manifest))


async def _write(
    store: AudioStore, ended: RecordingEnded, partition: int, moved: Callable[[], None]
) -> RecordingCompleted:
    r, received = ended.recording, ended.samples
    digest = hashlib.sha256()
    # Entries are made while the WAV is: every segment is fetched once, unless something must be
    # withheld.
    entries: dict[int, bytes] = {}
    fetch = _fetch(store, ended, entries)
    if ended.spans:
        for index in range(ended.stored + 1):
            await fetch(index)
        ended = without_withheld(ended, map(orjson.loads, entries.values()))
    samples, ranges = ended.samples, ended.withheld.silenced

    async def hashed() -> AsyncIterator[bytearray]:
        async with aclosing(wav(fetch, ended.stored + 1, received)) as whole:
            pieces = silenced(whole, samples, ranges) if ended.spans else whole
            async for piece in pieces:
                digest.update(piece)
                moved()
                yield piece

    await store.put_chunks(audio_key(r), hashed())
    size, sha256 = HEADER_SIZE + CHANNELS * samples, digest.hexdigest()
    manifest = _manifest(entries, head(ended, partition, size, sha256))
    await store.put_chunks(manifest_key(r), manifest)
    return completed(ended, size, sha256)


async def drop_left_overs(store: AudioStore, closed: Iterable[RecorderCheckpoint]) -> int:
    """Deletes what a killed recorder left of complete recordings; how many objects there were."""
    complete = {_base(segment_key(recording_of(c), 0)) for c in closed}
    if not complete:
        return 0
    left_over = [key async for key in store.list(SEGMENTS) if _base(key) in complete]
    await store.delete(left_over)
    return len(left_over)


def _base(key: str) -> str:
    return key.rpartition("-")[0]


def _fetch(store: AudioStore, ended: RecordingEnded, entries: dict[int, bytes]) -> Fetch:
    """Gets segments, and puts what the manifest says of each into `entries`."""
    r = ended.recording
    latest: list[RecordingSegment] = []

    async def fetch(index: int) -> RecordingSegment:
        # Both tracks mostly want the same segment, one after the other.
        if latest and latest[0].index == index:
            return latest[0]
        if index == ended.stored:
            segment = ended.tail
        else:
            segment = decode(await store.get(segment_key(r, index)))
            assert isinstance(segment, RecordingSegment)
        if index not in entries:
            entries[index] = entry(segment)
        latest[:] = [segment]
        return segment

    return fetch


async def _manifest(
    entries: dict[int, bytes], beginning: bytes
) -> AsyncGenerator[bytes | bytearray, None]:
    yield beginning
    piece = bytearray()
    for index, text in sorted(entries.items()):
        piece += (b"," if index else b"") + text
        if len(piece) > 256 * 1024:
            yield bytes(piece)
            piece.clear()
    yield piece + END
