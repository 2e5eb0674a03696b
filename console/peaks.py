"""Compute the peaks of each side of a recording, for its waveform. Pure.

The WAV files are mu-law with two channels and one byte a sample, left and right alternating. A
waveform has a number of buckets for each side, each with the greatest magnitude of its samples, 0
to 1.
"""

from dataclasses import dataclass, field

CHANNELS = 2
HEADER_BYTES = 4096
"""Bytes at the start of the file that are sure to include everything before the samples."""


class NotAWavError(ValueError):
    """The bytes do not begin like a WAV file."""


@dataclass(frozen=True, slots=True)
class Samples:
    """The position of the samples in the file: bytes from `start` up to, not including, `end`."""

    start: int
    end: int


def find_samples(head: bytes, size: int) -> Samples:
    """Return the position of the samples in a WAV file of `size` bytes that begins with `head`.
    Raise `NotAWavError`."""
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise NotAWavError("no RIFF/WAVE header")
    at = 12
    while at + 8 <= len(head):
        length = int.from_bytes(head[at + 4 : at + 8], "little")
        if head[at : at + 4] == b"data":
            return Samples(at + 8, min(size, at + 8 + length))
        at += 8 + length + length % 2
    raise NotAWavError("no data chunk")


def _magnitude(byte: int) -> int:
    # ITU-T G.711: sign, exponent and mantissa, with all bits inverted.
    code = ~byte & 0x7F
    sample = (((code & 0x0F) << 3) + 0x84 << (code >> 4)) - 0x84
    return round(sample * 255 / 32124)


_MAGNITUDES = bytes(_magnitude(byte) for byte in range(256))


@dataclass(slots=True)
class Peaks:
    """Collects the peaks of `frames` samples a side in at most `buckets` buckets. Feed the pieces
    in order; they may have any size."""

    frames: int
    buckets: int
    _left: list[int] = field(default_factory=list)
    _right: list[int] = field(default_factory=list)
    _fed: int = 0

    def feed(self, piece: bytes) -> None:
        """Add the next bytes of the samples."""
        per_bucket = max(1, -(-self.frames // self.buckets)) * CHANNELS
        at = 0
        while at < len(piece):
            taken = min(len(piece) - at, per_bucket - self._fed % per_bucket)
            self._take(piece[at : at + taken], starts=self._fed % per_bucket == 0)
            self._fed += taken
            at += taken

    def _take(self, part: bytes, *, starts: bool) -> None:
        if starts:
            self._left.append(0)
            self._right.append(0)
        loud = part.translate(_MAGNITUDES)
        sides = (
            (self._left, self._right) if self._fed % CHANNELS == 0 else (self._right, self._left)
        )
        for side, samples in zip(sides, (loud[0::2], loud[1::2]), strict=True):
            side[-1] = max(side[-1], max(samples, default=0))

    @property
    def left(self) -> list[float]:
        """The peaks of the inbound track, the customer."""
        return [round(peak / 255, 3) for peak in self._left]

    @property
    def right(self) -> list[float]:
        """The peaks of the outbound track, the audio that the customer hears."""
        return [round(peak / 255, 3) for peak in self._right]
