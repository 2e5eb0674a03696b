"""The expected recording of the frames that were sent.

This is written from the contract's section on audio alone, sentence by sentence and frame by frame,
so that it does not share the product's mistakes.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

INBOUND, OUTBOUND = "inbound", "outbound"
TRACKS = (INBOUND, OUTBOUND)
SAMPLES_PER_MS = 8
JITTER_SAMPLES = 80
FRAME_SAMPLES = 160
SILENCE = b"\xff"


@dataclass(frozen=True, slots=True)
class SentFrame:
    """One frame that was sent over the socket. `timestamp`: milliseconds of the media stream;
    `skipped`: how many message numbers had been left out before it, of frames that were lost on
    the way."""

    track: str
    timestamp: int
    payload: bytes
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class ExpectedAudio:
    """`samples`: alternating left and right mu-law bytes. The counts are for both tracks
    together; `not_received`: the lost frames of holes in which message numbers are missing."""

    samples: bytes
    received: int
    lost: int
    duplicate: int
    overlap: int
    not_received: int

    @property
    def duration_ms(self) -> int:
        """Its duration in milliseconds."""
        return len(self.samples) // 2 // SAMPLES_PER_MS


@dataclass(slots=True)
class ExpectedTrack:
    """The expected state of one track after the frames placed so far."""

    audio: bytearray = field(default_factory=bytearray)
    timestamps: set[int] = field(default_factory=set)
    begun: bool = False
    received: int = 0
    lost: int = 0
    duplicate: int = 0
    overlap: int = 0
    not_received: int = 0
    skipped: int = 0

    def begins(self, timestamp: int) -> int | None:
        """Return the sample at which a frame would begin if it were placed now; None: it would be
        left out."""
        distance = timestamp * SAMPLES_PER_MS - len(self.audio)
        if not self.begun or distance >= JITTER_SAMPLES:
            return timestamp * SAMPLES_PER_MS
        return None if distance <= -JITTER_SAMPLES else len(self.audio)

    def place(self, sent: SentFrame) -> None:
        """Place the next frame."""
        timestamp = sent.timestamp
        seen_before = timestamp in self.timestamps
        self.timestamps.add(timestamp)
        distance = timestamp * SAMPLES_PER_MS - len(self.audio)
        if self.begun and distance <= -JITTER_SAMPLES:
            self.duplicate += seen_before
            self.overlap += not seen_before
            return
        if not self.begun:
            self.audio += SILENCE * distance
        elif distance >= JITTER_SAMPLES:
            self.audio += SILENCE * distance
            lost = max(1, round(distance / FRAME_SAMPLES))
            self.lost += lost
            self.not_received += lost if sent.skipped > self.skipped else 0
        self.audio += sent.payload
        self.skipped = sent.skipped
        self.received += 1
        self.begun = True


def expected_audio(frames: Iterable[SentFrame]) -> ExpectedAudio:
    """Return the audio of one media stream. `frames`: in the order in which they were sent."""
    tracks = {name: ExpectedTrack() for name in TRACKS}
    for sent in frames:
        tracks[sent.track].place(sent)
    left, right = tracks[INBOUND], tracks[OUTBOUND]
    length = max(len(left.audio), len(right.audio))
    samples = bytearray(2 * length)
    samples[0::2] = left.audio.ljust(length, SILENCE)
    samples[1::2] = right.audio.ljust(length, SILENCE)
    return ExpectedAudio(
        bytes(samples),
        left.received + right.received,
        left.lost + right.lost,
        left.duplicate + right.duplicate,
        left.overlap + right.overlap,
        left.not_received + right.not_received,
    )


def inum_suffix(media_stream_sid: str) -> str:
    """Return the last 8 digits of the INUM of this media stream's recording."""
    digest = hashlib.sha256(media_stream_sid.encode()).digest()
    return f"{int.from_bytes(digest, 'big') % 10**8:08d}"
