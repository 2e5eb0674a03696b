"""Frames of 160 bytes that encode their media stream, track and number.

    bytes 0-3    the media stream's number in the run, big-endian
    bytes 4-7    the frame's number on its track, from 0; the highest bit is set on the outbound one
    bytes 8-11   CRC-32 of the eight before
    bytes 12-159 one of `TAILS`, chosen by the CRC

Any single frame can be recognized by itself, even in a wrong place. Twelve bytes are sixteen
characters of base64, so the base64 of the tails is computed once, and a frame needs little CPU.
"""

import struct
from base64 import b64encode
from dataclasses import dataclass
from hashlib import shake_256
from zlib import crc32

from simulator.expected import INBOUND, OUTBOUND, TRACKS

FRAME_BYTES = 160
HEAD_BYTES = 12
OUTBOUND_BIT = 1 << 31
TAILS = tuple(
    shake_256(bytes([number])).digest(FRAME_BYTES - HEAD_BYTES).replace(b"\xff", b"\xfe")
    for number in range(64)
)
"""None of their bytes is a sample of silence."""

_TAIL_TEXTS = tuple(b64encode(tail) for tail in TAILS)


@dataclass(frozen=True, slots=True)
class Code:
    """The content of a frame."""

    media_stream: int
    track: str
    number: int


def _head(media_stream: int, track: str, number: int) -> tuple[bytes, int]:
    content = struct.pack("!II", media_stream, number | OUTBOUND_BIT * (track == OUTBOUND))
    crc = crc32(content)
    return content + crc.to_bytes(4, "big"), crc % len(TAILS)


def payload(media_stream: int, track: str, number: int) -> bytes:
    """Return the frame's 160 bytes. `number` must be below 2^31."""
    head, tail = _head(media_stream, track, number)
    return head + TAILS[tail]


def text(media_stream: int, track: str, number: int) -> bytes:
    """Return the frame in base64."""
    head, tail = _head(media_stream, track, number)
    return b64encode(head) + _TAIL_TEXTS[tail]


def code_of(samples: bytes) -> Code | None:
    """Return the content of a frame; None if the bytes are not a coded frame."""
    if len(samples) != FRAME_BYTES:
        return None
    content, crc = samples[:8], int.from_bytes(samples[8:HEAD_BYTES], "big")
    if crc32(content) != crc or samples[HEAD_BYTES:] != TAILS[crc % len(TAILS)]:
        return None
    media_stream, number = struct.unpack("!II", content)
    track = TRACKS[number >= OUTBOUND_BIT]
    return Code(media_stream, track, number % OUTBOUND_BIT)


def codes_in(samples: bytes) -> list[tuple[int, Code]]:
    """Return every coded frame on one side of a recording, with its first sample."""
    found = []
    at = 0
    while at <= len(samples) - FRAME_BYTES:
        code = code_of(samples[at : at + FRAME_BYTES])
        if code is None:
            at += 1
        else:
            found.append((at, code))
            at += FRAME_BYTES
    return found


assert TRACKS == (INBOUND, OUTBOUND)
