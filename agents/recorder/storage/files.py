"""Store unfinished recordings in a directory. The WAV file grows at its final size and place, so
that audio is written once. Beside it, a file holds the manifest's entry for each segment, one per
line."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import orjson

from agents.recorder.storage.storage import Keeping, ObjectKeeping, earlier_report
from pipeline.media.wav import CHANNELS, HEADER_SIZE
from pipeline.recordings.effects import RecordingEnded, SegmentCut
from pipeline.recordings.file_layout import Block, blocks, finishing, silencing
from pipeline.recordings.interleave import BrokenSegments
from pipeline.recordings.keys import (
    SEGMENTS,
    audio_key,
    draft_key,
    entries_key,
    manifest_key,
    recording_id,
    recording_of,
)
from pipeline.recordings.manifest import END, completed, entry, head
from pipeline.recordings.withholding import without_withheld
from pipeline.store.audio import AudioStore, as_store_error
from pipeline.store.files import Directory
from pipeline.store.growing_files import Drafts
from schemas.records import RecorderCheckpoint, RecordingCompleted

SYNCING_THREADS = 8
"""How many files are synced at the same time; a disk combines simultaneous requests."""


class FileKeeping:
    """Appends segments to growing files. They are safe when the files are synced, all together."""

    together = True

    def __init__(self, store: AudioStore, files: Directory) -> None:
        self._store = store
        self._files = files
        self._drafts = Drafts(files)
        self._unsynced: set[str] = set()
        self._new = False
        self._next_lines: dict[str, tuple[int, int]] = {}

    async def store(self, cuts: Sequence[SegmentCut]) -> None:
        """See `Keeping.store`. The segments are not safe before `sync`."""
        recordings: dict[str, list[SegmentCut]] = {}
        for cut in cuts:
            recordings.setdefault(recording_id(cut.recording), []).append(cut)
        with as_store_error():
            await asyncio.to_thread(self._store_all, list(recordings.values()))

    async def sync(self) -> None:
        """See `Keeping.sync`."""
        keys, new = sorted(self._unsynced), self._new
        lanes = [keys[n::SYNCING_THREADS] for n in range(min(SYNCING_THREADS, len(keys)))]
        with as_store_error():
            await asyncio.gather(*(asyncio.to_thread(self._drafts.sync, lane) for lane in lanes))
            if new:
                await asyncio.to_thread(self._drafts.sync_names, SEGMENTS)
        self._unsynced.difference_update(keys)
        self._new = False

    async def complete(self, ended: RecordingEnded, partition: int) -> RecordingCompleted:
        """See `Keeping.complete`."""
        try:
            with as_store_error():
                return await asyncio.to_thread(self._complete, ended, partition)
        except FileNotFoundError:  # parts are deleted last: another recorder has completed it
            return await earlier_report(self._store, ended)

    async def drop(self, ended: RecordingEnded) -> None:
        """See `Keeping.drop`."""
        key = entries_key(ended.recording)
        self._next_lines.pop(key, None)
        if ended.stored:
            with as_store_error():
                await asyncio.to_thread(self._drafts.delete, key)

    async def is_intact(self, checkpoint: RecorderCheckpoint) -> bool:
        """See `Keeping.is_intact`."""
        with as_store_error():
            return await asyncio.to_thread(self._is_intact, checkpoint)

    async def clear(self, checkpoint: RecorderCheckpoint) -> None:
        """See `Keeping.clear`."""
        r = recording_of(checkpoint)
        with as_store_error():
            for key in (entries_key(r), draft_key(r)):
                await asyncio.to_thread(self._drafts.delete, key)

    def _is_intact(self, checkpoint: RecorderCheckpoint) -> bool:
        r, count = recording_of(checkpoint), checkpoint.segments
        if not count or self._drafts.path(manifest_key(r)).exists():
            return True
        try:
            self._lines(entries_key(r), count)
        except (FileNotFoundError, BrokenSegments):
            return False
        return any(self._drafts.path(key(r)).exists() for key in (draft_key, audio_key))

    def _store_all(self, recordings: Sequence[Sequence[SegmentCut]]) -> None:
        for cuts in recordings:
            self._store_some(cuts)

    def _store_some(self, cuts: Sequence[SegmentCut]) -> None:
        """Store segments of one recording."""
        r, index = cuts[0].recording, cuts[0].segment.index
        draft, entries = draft_key(r), entries_key(r)
        pieces = chain.from_iterable(blocks(cut.segment) for cut in cuts)
        lines = b"".join(entry(cut.segment) + b"\n" for cut in cuts)
        try:
            self._drafts.write(draft, pieces, new=not index)
            position = self._position(entries, index)
            self._drafts.write(entries, [Block(position, lines)], new=not index)
        except FileNotFoundError:
            if self._drafts.path(audio_key(r)).exists():
                return  # already completed, with these segments included
            raise
        self._next_lines[entries] = (index + len(cuts), position + len(lines))
        self._unsynced.update((draft, entries))
        self._new |= not index

    def _position(self, entries: str, index: int) -> int:
        """Return the position of the segment's line in the file of entries."""
        known, position = self._next_lines.get(entries, (0, 0))
        if known == index:
            return position
        return sum(len(line) + 1 for line in self._lines(entries, index))

    def _lines(self, entries: str, count: int) -> list[bytes]:
        lines = self._drafts.path(entries).read_bytes().split(b"\n")[:-1] if count else []
        if len(lines) < count:
            raise BrokenSegments(f"{count} segments expected, {len(lines)} found")
        return lines[:count]

    def _complete(self, ended: RecordingEnded, partition: int) -> RecordingCompleted:
        r = ended.recording
        draft, audio = draft_key(r), audio_key(r)
        entries = [*self._lines(entries_key(r), ended.stored), entry(ended.tail)]
        if ended.spans:
            ended = without_withheld(ended, map(orjson.loads, entries))
        ends = [track.end for track in ended.tracks]
        silence = silencing(ended.withheld.silenced)
        pieces = chain(blocks(ended.tail), silence, finishing(ends, ended.samples))
        size = HEADER_SIZE + CHANNELS * ended.samples
        named = []
        try:
            found = self._drafts.finish(draft, pieces, size, new=not ended.stored)
            named.append((self._drafts.path(draft), audio))
        except FileNotFoundError:  # a recorder was killed or failed after renaming the file
            found = self._drafts.digest(audio)
        if found.size != size:
            raise BrokenSegments(f"{size} bytes expected, {found.size} found")
        beginning = head(ended, partition, found.size, found.sha256)
        with self._files.written(_manifest(beginning, entries)) as manifest:
            named.append((manifest, manifest_key(r)))
            self._files.rename(named)  # the audio first
        return completed(ended, found.size, found.sha256)


def keeping_of(store: AudioStore, moved: Callable[[], None] = lambda: None) -> Keeping:
    """Return the `Keeping` for the store's kind. `moved`: see `ObjectKeeping`."""
    return ObjectKeeping(store, moved) if store.files is None else FileKeeping(store, store.files)


def _manifest(beginning: bytes, entries: Sequence[bytes]) -> Iterator[bytes]:
    yield beginning
    yield b",".join(entries)
    yield END
