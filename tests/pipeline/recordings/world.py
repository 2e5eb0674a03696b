"""What surrounds the fold, as plain dictionaries: a store, Kafka, and a process that is killed."""

import asyncio
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from pipeline.media.regular import RegularReader
from pipeline.media.wav import HEADER_SIZE
from pipeline.recordings.effects import (
    Effect,
    Ignored,
    RecordingBegan,
    RecordingEnded,
    Refused,
    SegmentCut,
)
from pipeline.recordings.file_layout import Block, blocks, finishing, silencing
from pipeline.recordings.interleave import silenced, wav
from pipeline.recordings.keys import checkpoint_key, recording_id, segment_key
from pipeline.recordings.manifest import END, completed, completed_before, entry, head
from pipeline.recordings.memory import Checkpoint
from pipeline.recordings.partition import PartitionFold
from pipeline.recordings.withholding import without_withheld
from schemas.codec import decode, encode
from schemas.records import RecordingCompleted, RecordingSegment
from tests.pipeline.recordings.logs import Message


class Killed(Exception):
    """The process ended here."""


@dataclass
class World:
    """All that outlives a process."""

    segments: dict[str, bytes] = field(default_factory=dict)
    checkpoints: dict[bytes, bytes] = field(default_factory=dict)
    committed: int = 0
    published: list[Any] = field(default_factory=list)
    audio: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    refused: set[tuple[str, int]] = field(default_factory=set)
    drafts: dict[str, bytearray] = field(default_factory=dict)
    steps_left: int | None = None
    quick: bool = True
    quickly: int = 0

    def live(self, log: Sequence[Message], rounds: Iterable[tuple[int, bool]]) -> None:
        """Run a process. It resumes from the checkpoints and reads the log in rounds, given by
        their number of records. It commits after each round; True: it writes checkpoints of
        everything first."""
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

    def live_in_spite_of_kills(
        self,
        log: Sequence[Message],
        lives: Iterable[tuple[int, Iterable[tuple[int, bool]]]],
        last: Iterable[tuple[int, bool]],
    ) -> None:
        """Live several times, killed after so many steps each time; at last to the log's end."""
        for steps, sizes in lives:
            self.steps_left = steps
            try:
                self.live(log, sizes)
            except Killed:
                continue
        self.steps_left = None
        self.live(log, [*last, (1000, False)])

    def _effects(self, fold: PartitionFold, message: Message) -> list[Effect]:
        """Process a record as the recorder does: by the fast path if it applies, else by the
        other."""
        regular = RegularReader().read(encode(message.record)) if self.quick else None
        effects = regular and fold.handle_regular(regular, message.offset, message.at)
        if effects is None:
            return fold.handle(message.record, message.offset, message.at)
        self.quickly += 1
        return effects

    def manifest(self, name: str) -> Any:
        """Return the manifest of a recording, by its id, as JSON."""
        return json.loads(self.manifests[name])

    def _commit(self, fold: PartitionFold, position: int, snapshot: bool) -> None:
        if snapshot:
            for checkpoint in fold.snapshots(position):
                self._checkpoint(checkpoint)
        self._step()
        self.committed = fold.safe_offset(position)

    def _carry_out(self, effect: Effect, message: Message) -> None:
        match effect:
            case RecordingBegan(started):
                self._publish(started)
            case SegmentCut(recording, segment, checkpoint):
                self._step()
                key = segment_key(recording, segment.index)
                data = encode(segment)
                assert self.segments.setdefault(key, data) == data, "a segment changed"
                self._put(recording_id(recording), blocks(segment))
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
        name = recording_id(ended.recording)
        try:
            audio, manifest, done = asyncio.run(self._composed(ended))
        except KeyError:  # another process completed it and dropped the segments
            audio, manifest = self.audio[name], self.manifests[name]
            done = completed_before(ended, json.loads(manifest))
        if name not in self.audio:
            self._finish_draft(name, ended)
            assert audio == self.drafts[name], "the draft is not the WAV"
        self._step()
        assert self.audio.setdefault(name, audio) == audio, "audio changed"
        self._step()
        assert self.manifests.setdefault(name, manifest) == manifest, "a manifest changed"
        self._publish(done)
        self._checkpoint(ended.checkpoint)
        for index in range(ended.stored):
            self._step()
            self.segments.pop(segment_key(ended.recording, index), None)

    async def _composed(self, ended: RecordingEnded) -> tuple[bytes, bytes, RecordingCompleted]:
        async def fetch(index: int) -> RecordingSegment:
            if index == ended.stored:
                return ended.tail
            segment: RecordingSegment = decode(self.segments[segment_key(ended.recording, index)])
            return segment

        entries = [entry(await fetch(index)) for index in range(ended.stored + 1)]
        kept = without_withheld(ended, map(json.loads, entries))
        unsilenced = wav(fetch, ended.stored + 1, ended.samples)
        silent = silenced(unsilenced, kept.samples, kept.withheld.silenced)
        audio = b"".join([bytes(piece) async for piece in (silent if ended.spans else unsilenced)])
        beginning = head(kept, 3, len(audio), hashlib.sha256(audio).hexdigest())
        manifest = beginning + b",".join(entries) + END
        return audio, manifest, completed(kept, len(audio), "hash")

    def _finish_draft(self, name: str, ended: RecordingEnded) -> None:
        entries = [
            entry(decode(self.segments[segment_key(ended.recording, index)]))
            for index in range(ended.stored)
        ]
        kept = without_withheld(ended, map(json.loads, [*entries, entry(ended.tail)]))
        ends = [track.end for track in kept.tracks]
        silence = silencing(kept.withheld.silenced)
        self._put(name, (*blocks(ended.tail), *silence, *finishing(ends, kept.samples)))
        del self.drafts[name][HEADER_SIZE + 2 * kept.samples :]

    def _put(self, name: str, pieces: Iterable[Block]) -> None:
        """Write into the growing file."""
        draft = self.drafts.setdefault(name, bytearray())
        for position, data, step in pieces:
            end = position + (len(data) - 1) * step + 1
            draft.extend(bytes(max(0, end - len(draft))))
            draft[position:end:step] = data

    def _checkpoint(self, checkpoint: Checkpoint) -> None:
        self._step()
        self.checkpoints[checkpoint_key(checkpoint)] = encode(checkpoint)

    def _publish(self, record: Any) -> None:
        self._step()
        self.published.append(record)

    def _step(self) -> None:
        if self.steps_left is not None:
            if not self.steps_left:
                raise Killed
            self.steps_left -= 1
