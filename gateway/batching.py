"""Frames of one media stream -> `MediaBatch`es of at most half a second."""

from dataclasses import dataclass

from gateway.messages import InvalidFrame, Media
from pipeline.media.runs import RunBuilder
from schemas.records import MediaBatch, TrackBatch

BATCH_MS = 500
BATCH_FRAMES = 25
BATCH_SAMPLES = 4_000


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose audio it is, and which life of which gateway received it."""

    stream_sid: str
    call_sid: str
    task_sid: str
    name: str | None
    generation: int
    gateway: str
    epoch: int


class _Track:
    """What one track received since the last batch."""

    __slots__ = ("first", "frames", "invalid", "payloads", "runs", "samples")

    def __init__(self) -> None:
        self.runs = RunBuilder()
        self.payloads: list[bytes] = []
        self.first = self.frames = self.samples = self.invalid = 0

    def takes(self, frame: Media) -> bool:
        """Whether the batch stays within half a second of media time with this frame too."""
        return not self.frames or (
            frame.timestamp - self.first < BATCH_MS
            and self.samples + len(frame.payload) <= BATCH_SAMPLES
        )

    def add(self, frame: Media) -> None:
        if not self.frames:
            self.first = frame.timestamp
        size = len(frame.payload)
        self.runs.add(frame.timestamp, size)
        self.payloads.append(frame.payload)
        self.frames += 1
        self.samples += size


class Batcher:
    """Collects frames; a batch is cut when a track has 25, before one would hold more than half a
    second of media time, and when half a second passed since its first message.

    Ask `tick` now and then, so that what is there does not wait for more. `batches`, `frames` and
    `invalid` count all that went into batches.
    """

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._tracks: dict[str, _Track] = {}
        self._began = 0
        self._first_sequence: int | None = None
        self._last_sequence: int | None = None
        self.batches = 0
        self.frames = 0
        self.invalid = 0

    def add(self, frame: Media, now: int) -> list[MediaBatch]:
        """One more frame. Returns the batches that are cut, mostly none, at most two."""
        batches = self.tick(now)
        track = self._track(frame.track, now)
        if not track.takes(frame):
            batches += self.cut(now)
            track = self._track(frame.track, now)
        track.add(frame)
        self._note(frame.sequence)
        if track.frames >= BATCH_FRAMES:
            batches += self.cut(now)
        return batches

    def add_invalid(self, frame: InvalidFrame, now: int) -> list[MediaBatch]:
        """A frame of a known track that could not be used. Returns the batches that are cut."""
        assert frame.track is not None
        batches = self.tick(now)
        self._track(frame.track, now).invalid += 1
        self._note(frame.sequence)
        return batches

    def tick(self, now: int) -> list[MediaBatch]:
        """The batch, if its time is over. A clock that was set back ends it too."""
        if self._tracks and not 0 <= now - self._began < BATCH_MS:
            return self.cut(now)
        return []

    def cut(self, now: int) -> list[MediaBatch]:
        """What is there, as a batch; none where nothing is."""
        if not self._tracks:
            return []
        who = self._identity
        self.batches += 1
        self.frames += sum(track.frames for track in self._tracks.values())
        self.invalid += sum(track.invalid for track in self._tracks.values())
        batch = MediaBatch(
            stream_sid=who.stream_sid,
            call_sid=who.call_sid,
            task_sid=who.task_sid,
            gateway=who.gateway,
            epoch=who.epoch,
            number=self.batches,
            at=now,
            first_sequence=self._first_sequence,
            last_sequence=self._last_sequence,
            tracks=tuple(
                TrackBatch(name, track.runs.runs(), track.invalid, b"".join(track.payloads))
                for name, track in sorted(self._tracks.items())
            ),
        )
        self._tracks = {}
        self._first_sequence = self._last_sequence = None
        return [batch]

    def _track(self, name: str, now: int) -> _Track:
        if not self._tracks:
            self._began = now
        track = self._tracks.get(name)
        if track is None:
            track = self._tracks[name] = _Track()
        return track

    def _note(self, sequence: int | None) -> None:
        if self._first_sequence is None:
            self._first_sequence = sequence
        if sequence is not None:
            self._last_sequence = sequence
