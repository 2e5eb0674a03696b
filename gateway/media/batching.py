"""Collect the frames of one media stream into `MediaBatch`es of at most half a second."""

from dataclasses import dataclass

from gateway.media.messages import Frame, InvalidFrame
from pipeline.media.runs import runs_of
from schemas.records import MediaBatch, Run, SequenceBreak, TrackBatch

BATCH_MS = 500
BATCH_FRAMES = 25
BATCH_SAMPLES = 4_000
STEP_MS = 20
SIZE = 160
SAMPLES_PER_MS = 8
JITTER_SAMPLES = 80
"""A frame that begins less than this from the end of the previous one follows without a seam."""
TRACKS = ("inbound", "outbound")
NOT_RECEIVED = "not-received"
UNDECODABLE = "undecodable"
_UNNUMBERED = -1
"""The next sequence number before the connection has used any."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A media stream, its call, and the gateway and epoch that receive it."""

    stream_sid: str
    call_sid: str
    task_sid: str
    name: str | None
    generation: int
    gateway: str
    epoch: int


class _Track:
    """The frames of one track since the last batch."""

    __slots__ = ("breaks", "invalid", "payloads", "samples", "timestamps")

    def __init__(self) -> None:
        self.breaks: list[SequenceBreak] = []
        self.timestamps: list[int] = []
        self.payloads: list[bytes] = []
        self.samples = self.invalid = 0

    def end(self) -> int:
        """Return the end of the last frame, in samples of media time."""
        return self.timestamps[-1] * SAMPLES_PER_MS + len(self.payloads[-1])

    def batch(self, name: str) -> TrackBatch:
        """Return the frames as the track's part of a batch."""
        audio = b"".join(self.payloads)
        return TrackBatch(name, self.runs(), self.invalid, audio, tuple(self.breaks))

    def runs(self) -> tuple[Run, ...]:
        """Return the frames as runs: nearly always a single one, 20 ms apart and of one size."""
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
    """Collects frames into batches. A batch is cut when a track has 25 frames, before a track would
    exceed half a second of media time, and half a second after the batch's first frame.

    Call `tick` regularly: it cuts a batch in time even if no more frames come. A batch's `at` is
    the time at which its last frame was received. `batches` is the number of the last batch;
    `frames` and `invalid` are the totals of all batches.

    Sequence numbers count the messages of the connection, of both tracks and of other events. So
    pass every message to `add`, `add_invalid` or `pass_over`. If a number was skipped since a
    track's last frame, and the track's next frame leaves a hole, the batch notes a break there.

    `last_number`: the number of the last batch that this process made for the same media stream,
    0 if there was none. `sequence`: the number of the message that began the media stream.
    """

    def __init__(
        self, identity: Identity, *, last_number: int = 0, sequence: int | None = None
    ) -> None:
        self._identity = identity
        self._tracks: dict[str, _Track] = {}
        self._began = 0
        self._received_at = 0
        self._first_sequence: int | None = None
        self._last_sequence: int | None = None
        self._next_sequence = _UNNUMBERED if sequence is None else sequence + 1
        # By track: the reason why frames may be missing since its last frame; the end (in samples)
        # of its last frame in an earlier batch.
        self._suspected: dict[str, str] = {}
        self._ends: dict[str, int] = {}
        self.batches = last_number
        self.frames = 0
        self.invalid = 0

    def add(self, frame: Frame, sequence: int | None, now: int) -> list[MediaBatch] | None:
        """Add a frame. Return the batches that are cut before or after it, at most one each; mostly
        None. Call `tick` before the first frame of a `now`."""
        name, timestamp, payload = frame.track, frame.timestamp, frame.payload
        size, batches = len(payload), None
        track = self._tracks.get(name) or self._begin(name, now)
        timestamps = track.timestamps
        if timestamps and (
            timestamp - timestamps[0] >= BATCH_MS or track.samples + size > BATCH_SAMPLES
        ):
            batches = self.cut()
            track = self._begin(name, now)
            timestamps = track.timestamps
        if sequence == self._next_sequence:  # inline, as is the rest: this runs for every frame
            self._next_sequence += 1
        else:
            self.pass_over(sequence)
        if self._suspected:
            self._note_break(name, track, timestamp)
        timestamps.append(timestamp)
        track.payloads.append(payload)
        track.samples += size
        self._received_at = now
        if sequence is not None:
            self._last_sequence = sequence
            if self._first_sequence is None:
                self._first_sequence = sequence
        if len(timestamps) >= BATCH_FRAMES:
            batches = (batches or []) + self.cut()
        return batches

    def add_invalid(self, frame: InvalidFrame, now: int) -> None:
        """Count a frame that cannot be used, if its track is known."""
        self.pass_over(frame.sequence)
        for name in TRACKS if frame.track is None else (frame.track,):
            self._suspected.setdefault(name, UNDECODABLE)
        if frame.track is None:
            return
        track = self._tracks.get(frame.track) or self._begin(frame.track, now)
        track.invalid += 1
        self._received_at = now
        if frame.sequence is not None:
            self._last_sequence = frame.sequence
            if self._first_sequence is None:
                self._first_sequence = frame.sequence

    def pass_over(self, sequence: int | None) -> None:
        """Note the sequence number of a message. None, if it has no usable number: it counts as
        one message, and others may be missing before it. A number lower than expected is no gap;
        counting continues from it."""
        expected = self._next_sequence
        if sequence is None or (sequence > expected != _UNNUMBERED):
            self._suspected = dict.fromkeys(TRACKS, NOT_RECEIVED)
        if sequence is not None:
            self._next_sequence = sequence + 1
        elif expected != _UNNUMBERED:
            self._next_sequence = expected + 1

    @property
    def is_unbroken(self) -> bool:
        """Whether no sequence number is missing after the last frame of any track, so that Twilio
        sent no frame after it."""
        heard = self._ends.keys() | self._tracks.keys()
        return self._suspected.keys().isdisjoint(heard)

    def tick(self, now: int) -> list[MediaBatch]:
        """Cut the batch if it is half a second old, or if the clock was set back. Return it."""
        if self._tracks and not 0 <= now - self._began < BATCH_MS:
            return self.cut()
        return []

    def cut(self) -> list[MediaBatch]:
        """Return the collected frames as a batch; an empty list if there are none."""
        if not self._tracks:
            return []
        who = self._identity
        self.batches += 1
        for name, track in self._tracks.items():
            self.frames += len(track.timestamps)
            self.invalid += track.invalid
            if track.timestamps:
                self._ends[name] = track.end()
        batch = MediaBatch(
            stream_sid=who.stream_sid,
            call_sid=who.call_sid,
            task_sid=who.task_sid,
            gateway=who.gateway,
            epoch=who.epoch,
            number=self.batches,
            at=self._received_at,
            first_sequence=self._first_sequence,
            last_sequence=self._last_sequence,
            tracks=tuple(track.batch(name) for name, track in sorted(self._tracks.items())),
        )
        self._tracks = {}
        self._first_sequence = self._last_sequence = None
        return [batch]

    def _begin(self, name: str, now: int) -> _Track:
        if not self._tracks:
            self._began = now
        track = self._tracks[name] = _Track()
        return track

    def _note_break(self, name: str, track: _Track, timestamp: int) -> None:
        """Note why frames are missing before the track's next frame. Without a hole before that
        frame, this track misses nothing, and no break is noted."""
        reason = self._suspected.pop(name, None)
        end = track.end() if track.timestamps else self._ends.get(name)
        if reason is None or end is None:
            return
        if abs(timestamp * SAMPLES_PER_MS - end) >= JITTER_SAMPLES:
            track.breaks.append(SequenceBreak(timestamp, reason))
