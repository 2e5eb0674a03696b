"""Read the format and the samples of a WAV file, as any player does."""

import struct
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wav:
    """The content of a WAV file. `encoding`: the format tag (7 is mu-law)."""

    encoding: int
    channels: int
    sample_rate: int
    bits: int
    samples: bytes


class NotWav(ValueError):
    """The bytes are not a WAV file; the text says why."""


def read_wav(content: bytes) -> Wav:
    """Return the content of a RIFF/WAVE file. Raise `NotWav`."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise NotWav("no RIFF/WAVE header")
    if struct.unpack_from("<I", content, 4)[0] != len(content) - 8:
        raise NotWav("the RIFF size is not the file's")
    chunks = _chunks(content)
    if len(chunks.get(b"fmt ", b"")) < 16 or b"data" not in chunks:
        raise NotWav("fmt or data chunk missing")
    encoding, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunks[b"fmt "])
    return Wav(encoding, channels, rate, bits, chunks[b"data"])


def _chunks(content: bytes) -> dict[bytes, bytes]:
    chunks: dict[bytes, bytes] = {}
    position = 12
    while position + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, position)
        if position + 8 + size > len(content):
            raise NotWav(f"the chunk {name!r} is longer than the file")
        chunks.setdefault(name, content[position + 8 : position + 8 + size])
        position += 8 + size + size % 2
    return chunks
