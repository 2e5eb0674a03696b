"""Store unfinished recordings and complete them: the interface for every kind of store, and the
implementation for buckets, which keep each segment as an object."""

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
    """Stores unfinished recordings. Every method raises `StoreError` if the store fails, and may be
    repeated; except that `sync` must not be repeated after an error."""

    @property
    def together(self) -> bool:
        """Whether segments of several recordings are best stored by one call."""

    async def store(self, cuts: Sequence[SegmentCut]) -> None:
        """Store segments, those of a recording in order. Raise `FileNotFoundError` if an earlier
        part is missing and the recording is not complete either."""

    async def sync(self) -> None:
        """Return when all stored segments are safe.

        After a `StoreError` all of them are in doubt: the process must end and start again from the
        last checkpoints.
        """

    async def complete(self, ended: RecordingEnded, partition: int) -> RecordingCompleted:
        """Store the WAV, then the manifest; return the record to publish. Both are safe then.
        Raise `FileNotFoundError` if a segment is missing and the recording was not completed by
        another process."""

    async def drop(self, ended: RecordingEnded) -> None:
        """Delete the remaining parts of a recording after its completion was published."""

    async def is_intact(self, checkpoint: RecorderCheckpoint) -> bool:
        """Return whether all parts that the checkpoint relies on exist, or the recording is
        complete."""

    async def clear(self, checkpoint: RecorderCheckpoint) -> None:
        """Delete all parts of an unfinished recording."""


class ObjectKeeping:
    """Stores each segment as an object, which is safe at once. `moved` is called for each part of a
    large recording that was read or written."""

    together = False

    def __init__(self, store: AudioStore, moved: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._moved = moved

    async def store(self, cuts: Sequence[SegmentCut]) -> None:
        """See `Keeping.store`."""
        for cut in cuts:
            await store_segment(self._store, cut)

    async def sync(self) -> None:
        """Do nothing."""

    async def complete(self, ended: RecordingEnded, partition: int) -> RecordingCompleted:
        """See `Keeping.complete`."""
        return await store_recording(self._store, ended, partition, self._moved)

    async def drop(self, ended: RecordingEnded) -> None:
        """See `Keeping.drop`."""
        r = ended.recording
        keys = (segment_key(r, n) for n in range(ended.stored))
        await self._store.delete(keys)

    async def is_intact(self, checkpoint: RecorderCheckpoint) -> bool:
        """See `Keeping.is_intact`."""
        r = recording_of(checkpoint)
        keys = {segment_key(r, n) for n in range(checkpoint.segments)}
        there = {key async for key in self._store.list(SEGMENTS) if key in keys}
        return there == keys or await is_there(self._store, manifest_key(r))

    async def clear(self, checkpoint: RecorderCheckpoint) -> None:
        """See `Keeping.clear`."""
        r = recording_of(checkpoint)
        await self._store.delete(segment_key(r, n) for n in range(checkpoint.segments + 1))


async def is_there(store: AudioStore, key: str) -> bool:
    """Return whether an object with that key exists. Raise `StoreError`."""
    try:
        await store.size(key)
    except FileNotFoundError:
        return False
    return True


async def store_segment(store: AudioStore, cut: SegmentCut) -> None:
    """Store a segment. Raise `StoreError`; may be repeated."""
    key = segment_key(cut.recording, cut.segment.index)
    await store.put(key, encode(cut.segment))


async def store_recording(
    store: AudioStore,
    ended: RecordingEnded,
    partition: int,
    moved: Callable[[], None] = lambda: None,
) -> RecordingCompleted:
    """Write the WAV, then the manifest; return the record to publish.

    Raise `StoreError`; may be repeated. Raise `FileNotFoundError` if a segment is missing and the
    recording was not completed by another process.
    """
    try:
        return await _write(store, ended, partition, moved)
    except FileNotFoundError:
        # Segments are deleted only once the manifest exists: another recorder has completed it.
        return await earlier_report(store, ended)


async def earlier_report(store: AudioStore, ended: RecordingEnded) -> RecordingCompleted:
    """Return the record to publish for a recording that has a manifest already. Raise
    `FileNotFoundError`."""
    manifest = await store.get(manifest_key(ended.recording))
    return completed_before(ended, orjson.loads(manifest))


async def _write(
    store: AudioStore, ended: RecordingEnded, partition: int, moved: Callable[[], None]
) -> RecordingCompleted:
    r, received = ended.recording, ended.samples
    digest = hashlib.sha256()
    # The entries are made together with the WAV, so that every segment is fetched once, unless
    # parts must be withheld.
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
    """Delete the segments of complete recordings that a killed recorder did not delete. Return the
    number of objects."""
    complete = {_base(segment_key(recording_of(c), 0)) for c in closed}
    if not complete:
        return 0
    left_over = [key async for key in store.list(SEGMENTS) if _base(key) in complete]
    await store.delete(left_over)
    return len(left_over)


def _base(key: str) -> str:
    return key.rpartition("-")[0]


def _fetch(store: AudioStore, ended: RecordingEnded, entries: dict[int, bytes]) -> Fetch:
    """Return a function that gets a segment and puts its manifest entry into `entries`."""
    r = ended.recording
    latest: list[RecordingSegment] = []

    async def fetch(index: int) -> RecordingSegment:
        # Both tracks usually need the same segment, one after the other.
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
