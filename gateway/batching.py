"""Frames of one media stream -> `MediaBatch`es of at most half a second."""

from dataclasses import dataclass

from gateway.messages import Frame, InvalidFrame, whole_number
from pipeline.media.runs import runs_of
from schemas.records import MediaBatch, Run, TrackBatch

BATCH_MS = 500
BATCH_FRAMES = 25
BATCH_SAMPLES = 4_000
STEP_MS = 20
SIZE = 160


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

    __slots__ = ("invalid", "payloads", "samples", "timestamps")

    def __init__(self) -> None:
        self.timestamps: list[int] = []
        self.payloads: list[bytes] = []
        self.samples = self.invalid = 0

    def runs(self) -> tuple[Run, ...]:
        """The frames, which nearly always lie 20 ms apart and are of one size."""
        timestamps, sizes = self.timestamps, [len(payload) for payload in self.payloads]
        count = len(timestamps)
        first = timestamps[0] if count else 0
        if (
            count > 1
            and timestamps == list(range(first, first + count * STEP_MS, STEP_MS))
            and sizes == [SIZE] * count
        ):
            return (Run(first, count, STEP_MS, SIZE),)
        return runs_of(zip(timestamps, sizes, strict=True))


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
        self._first_sequence: int | str | None = None
        self._last_sequence: int | str | None = None
        self.batches = 0
        self.frames = 0
        self.invalid = 0

    def add(self, frame: Frame, sequence: int | str | None, now: int) -> list[MediaBatch] | None:
        """One more frame. Returns the batch that is cut before it or after it, or both; mostly
        None. Ask `tick` before the first one of a `now`."""
        name, timestamp, payload = frame.track, frame.timestamp, frame.payload
        size, batches = len(payload), None
        track = self._tracks.get(name) or self._begin(name, now)
        timestamps = track.timestamps
        if timestamps and (
            timestamp - timestamps[0] >= BATCH_MS or track.samples + size > BATCH_SAMPLES
        ):
            batches = self.cut(now)
            track = self._begin(name, now)
            timestamps = track.timestamps
        timestamps.append(timestamp)
        track.payloads.append(payload)
        track.samples += size
        if sequence is not None:
            self._note(sequence)
        if len(timestamps) >= BATCH_FRAMES:
            batches = (batches or []) + self.cut(now)
        return batches

    def add_invalid(self, frame: InvalidFrame, now: int) -> None:
        """A frame of a known track that could not be used."""
        assert frame.track is not None
        track = self._tracks.get(frame.track) or self._begin(frame.track, now)
        track.invalid += 1
        if frame.sequence is not None:
            self._note(frame.sequence)

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
        self.frames += sum(len(track.timestamps) for track in self._tracks.values())
        self.invalid += sum(track.invalid for track in self._tracks.values())
        batch = MediaBatch(
            stream_sid=who.stream_sid,
            call_sid=who.call_sid,
            task_sid=who.task_sid,
            gateway=who.gateway,
            epoch=who.epoch,
            number=self.batches,
            at=now,
            first_sequence=whole_number(self._first_sequence),
            last_sequence=whole_number(self._last_sequence),
            tracks=tuple(
                TrackBatch(name, track.runs(), track.invalid, b"".join(track.payloads))
                for name, track in sorted(self._tracks.items())
            ),
        )
        self._tracks = {}
        self._first_sequence = self._last_sequence = None
        return [batch]

    def _begin(self, name: str, now: int) -> _Track:
        if not self._tracks:
            self._began = now
        track = self._tracks[name] = _Track()
        return track

    def _note(self, sequence: int | str) -> None:
        if self._first_sequence is None:
            self._first_sequence = sequence
        self._last_sequence = sequence
