"""Read the audio that Twilio delivers: WAV at 8 kHz with one or two channels, 16-bit PCM or mu-law
(RIFF; Microsoft, "New Multimedia Data Types and Data Techniques", 1994). Pure.

The file comes over the network and is untrusted: anything else is refused with a reason. The
standard library's `wave` reads no mu-law and allocates as much as a file's header demands, so the
few fields are read here.
"""

import struct
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pipeline.media.wav import SAMPLE_RATE

HEAD_BYTES = 64 * 1024
"""The data must begin within this many bytes."""
MAX_SAMPLES = 24 * 60 * 60 * SAMPLE_RATE
"""The most samples per channel: the longest conference lasts 24 hours."""

_PCM, _MU_LAW, _EXTENSIBLE = 1, 7, 0xFFFE
_OPEN_ENDED = 0xFFFF_FFFF
"""The size of a data chunk that was written to a pipe. It extends to the end of the file."""
_BIAS, _CLIP = 132, 32635


class NotUsable(ValueError):
    """The audio cannot be used. The text is the reason."""


class SampleFormat(StrEnum):
    """How a file stores a sample."""

    PCM16 = "pcm-16"
    MU_LAW = "mu-law"


@dataclass(frozen=True, slots=True)
class WavLayout:
    """The format of a file, the position of its data, and the samples in each channel."""

    format: SampleFormat
    channels: int
    data_at: int
    samples: int

    @property
    def sample_bytes(self) -> int:
        """The bytes of one sample of all channels."""
        return self.channels * (2 if self.format is SampleFormat.PCM16 else 1)


def layout_of(head: bytes, size: int) -> WavLayout:
    """Return the layout of a file of `size` bytes. `head`: its first `HEAD_BYTES`, or all of it.
    Raise `NotUsable`."""
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise NotUsable("no WAV file")
    described: tuple[SampleFormat, int] | None = None
    position = 12
    while position + 8 <= len(head):
        name, length = struct.unpack_from("<4sI", head, position)
        begin = position + 8
        if name == b"fmt ":
            described = _format(head[begin : begin + min(length, 64)])
        elif name == b"data":
            if described is None:
                raise NotUsable("the data come before the format")
            return _checked(described, begin, length, size)
        position = begin + length + length % 2
    raise NotUsable(f"no data within the first {HEAD_BYTES} bytes")


def _format(chunk: bytes) -> tuple[SampleFormat, int]:
    if len(chunk) < 16:
        raise NotUsable("the format is incomplete")
    tag, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        (tag,) = struct.unpack_from("<H", chunk, 24)
    known = {(_PCM, 16): SampleFormat.PCM16, (_MU_LAW, 8): SampleFormat.MU_LAW}
    if (tag, bits) not in known:
        raise NotUsable(f"format {tag} with {bits} bits is neither 16-bit PCM nor mu-law")
    if rate != SAMPLE_RATE:
        raise NotUsable(f"{rate} Hz, must be {SAMPLE_RATE}")
    if channels not in (1, 2):
        raise NotUsable(f"{channels} channels, must be 1 or 2")
    if align != channels * bits // 8:
        raise NotUsable(f"{align} bytes a sample, must be {channels * bits // 8}")
    return known[tag, bits], channels


def _checked(described: tuple[SampleFormat, int], begin: int, length: int, size: int) -> WavLayout:
    kind, channels = described
    if length == _OPEN_ENDED:
        length = max(0, size - begin)
    if begin + length > size:
        raise NotUsable(f"cut off: {size} bytes, must be at least {begin + length}")
    found = WavLayout(kind, channels, begin, 0)
    samples = length // found.sample_bytes
    if samples == 0:
        raise NotUsable("no audio")
    if samples > MAX_SAMPLES:
        raise NotUsable(f"{samples // SAMPLE_RATE} s long, at most {MAX_SAMPLES // SAMPLE_RATE}")
    return WavLayout(kind, channels, begin, samples)


def channels_of(data: bytes, layout: WavLayout) -> tuple[NDArray[np.uint8], ...]:
    """Return the mu-law samples of each channel. `data`: whole samples of the file's data. Samples
    that were mu-law before Twilio stored them as PCM become the same bytes again."""
    if layout.format is SampleFormat.MU_LAW:
        mixed = np.frombuffer(data, np.uint8)
    else:
        mixed = _ENCODED[np.frombuffer(data, "<u2")]
    return tuple(np.ascontiguousarray(mixed[n :: layout.channels]) for n in range(layout.channels))


def linear(samples: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return mu-law samples as 16-bit PCM."""
    return _LINEAR[samples]


def _encoding() -> NDArray[np.uint8]:
    """Return the mu-law byte of each 16-bit sample, by the sample's unsigned value (ITU-T G.711:
    the segment is the position of the highest bit of the biased magnitude)."""
    samples = np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.minimum(np.abs(samples), _CLIP) + _BIAS
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (segment + 3)) & 0x0F
    sign = np.where(samples < 0, 0x80, 0)
    encoded: NDArray[np.uint8] = (~(sign | segment << 4 | mantissa) & 0xFF).astype(np.uint8)
    return encoded


def _decoding() -> NDArray[np.int16]:
    codes = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = (((codes & 0x0F) << 3) + _BIAS << ((codes >> 4) & 0x07)) - _BIAS
    decoded: NDArray[np.int16] = np.where(codes & 0x80, -magnitude, magnitude).astype(np.int16)
    return decoded


_ENCODED, _LINEAR = _encoding(), _decoding()
