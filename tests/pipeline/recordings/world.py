"""What surrounds the fold, as plain dictionaries: a store, Kafka, and a process that is killed."""

import asyncio
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from pipeline.media.regular import RegularReader
from pipeline.recordings.effects import (
    Effect,
    Ignored,
    RecordingBegan,
    RecordingEnded,
    Refused,
    SegmentCut,
)
from pipeline.recordings.manifest import END, completed, entry, head
from pipeline.recordings.names import segment_key
from pipeline.recordings.partition import PartitionFold
from pipeline.recordings.placing import Block, blocks, finishing
from pipeline.recordings.weave import wav
from schemas.codec import decode, encode
from schemas.records import RecorderCheckpoint, RecordingSegment
from tests.pipeline.recordings.logs import Message


class Killed(Exception):
    """The process ended here."""


@dataclass
class World:
    """All that outlives a process."""

    segments: dict[str, bytes] = field(default_factory=dict)
    checkpoints: dict[str, bytes] = field(default_factory=dict)
    committed: int = 0
    told: list[Any] = field(default_factory=list)
    audio: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    refused: set[tuple[str, int]] = field(default_factory=set)
    drafts: dict[str, bytearray] = field(default_factory=dict)
    steps_left: int | None = None
    quick: bool = True
    quickly: int = 0

    def live(self, log: Sequence[Message], rounds: Iterable[tuple[int, bool]]) -> None:
        """A process: takes up what is known, and reads the log in rounds of so many records, after
        which it commits, where True having written checkpoints of everything."""
        fold = PartitionFold(decode(value) for value in self.checkpoints.values())
        start = fold.resume_offset(self.committed)
        unread = [message for message in log if message.offset >= start]
        for size, snapshot in rounds:
            taken, unread = unread[:size], unread[size:]
            for message in taken:
                for effect in self._effects(fold, message):
                    self._carry_out(effect, message)
            if taken:
                self._commit(fold, taken[-1].offset + 1, snapshot)
            if not unread:
                return

    def _effects(self, fold: PartitionFold, message: Message) -> list[Effect]:
        """As the recorder does: the quick way, and the other where that is not for this record."""
        regular = RegularReader().read(encode(message.record)) if self.quick else None
        effects = regular and fold.handle_regular(regular, message.offset, message.at)
        if effects is None:
            return fold.handle(message.record, message.offset, message.at)
        self.quickly += 1
        return effects

    def manifest(self, inum: str) -> Any:
        """A manifest, read."""
        return json.loads(self.manifests[inum])

    def _commit(self, fold: PartitionFold, position: int, snapshot: bool) -> None:
        if snapshot:
            for checkpoint in fold.snapshots(position):
                self._checkpoint(checkpoint)
        self._step()
        self.committed = fold.safe_offset(position)

    def _carry_out(self, effect: Effect, message: Message) -> None:
        match effect:
            case RecordingBegan(started):
                self._tell(started)
            case SegmentCut(recording, segment, checkpoint):
                self._step()
                key = segment_key(recording.stream_sid, recording.started_at, segment.index)
                data = encode(segment)
                assert self.segments.setdefault(key, data) == data, "a segment changed"
                self._put(recording.stream_sid, blocks(segment))
                self._checkpoint(checkpoint)
            case RecordingEnded():
                self._finish(effect)
            case Refused(reason):
                self.refused.add((reason, message.offset))
            case Ignored():
                pass
            case _:
                assert_never(effect)

    def _finish(self, ended: RecordingEnded) -> None:
        inum = completed(ended, 0, "").inum
        try:
            audio, manifest = asyncio.run(self._composed(ended))
        except KeyError:  # somebody else completed it and dropped the segments
            audio, manifest = self.audio[inum], self.manifests[inum]
        if inum not in self.audio:
            ends = [track.end for track in ended.tracks]
            sid = ended.recording.stream_sid
            self._put(sid, (*blocks(ended.tail), *finishing(ends, ended.samples)))
            assert audio == self.drafts[sid], "the draft is not the WAV"
        self._step()
        assert self.audio.setdefault(inum, audio) == audio, "audio changed"
        self._step()
        assert self.manifests.setdefault(inum, manifest) == manifest, "a manifest changed"
        self._tell(completed(ended, len(audio), "hash"))
        self._checkpoint(ended.checkpoint)
        for index in range(ended.stored):
            self._step()
            r = ended.recording
            self.segments.pop(segment_key(r.stream_sid, r.started_at, index), None)

    async def _composed(self, ended: RecordingEnded) -> tuple[bytes, bytes]:
        async def fetch(index: int) -> RecordingSegment:
            if index == ended.stored:
                return ended.tail
            r = ended.recording
            segment: RecordingSegment = decode(
                self.segments[segment_key(r.stream_sid, r.started_at, index)]
            )
            return segment

        pieces = [piece async for piece in wav(fetch, ended.stored + 1, ended.samples)]
        entries = [entry(await fetch(index)) for index in range(ended.stored + 1)]
        audio = b"".join(pieces)
        beginning = head(ended, 3, len(audio), hashlib.sha256(audio).hexdigest())
        return audio, beginning + b",".join(entries) + END

    def _put(self, stream_sid: str, pieces: Iterable[Block]) -> None:
        """Into the file that grows."""
        draft = self.drafts.setdefault(stream_sid, bytearray())
        for position, data, step in pieces:
            end = position + (len(data) - 1) * step + 1
            draft.extend(bytes(max(0, end - len(draft))))
            draft[position:end:step] = data

    def _checkpoint(self, checkpoint: RecorderCheckpoint) -> None:
        self._step()
        self.checkpoints[checkpoint.stream_sid] = encode(checkpoint)

    def _tell(self, record: Any) -> None:
        self._step()
        self.told.append(record)

    def _step(self) -> None:
        if self.steps_left is not None:
            if not self.steps_left:
                raise Killed
            self.steps_left -= 1
