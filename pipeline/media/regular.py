"""Write and read the usual batch directly as bytes, without records.

Nearly every `MediaBatch` has one run of 20 ms frames on each track. To append its audio, only the
fields that `RegularReader` reads are needed. Reading them takes a fraction of the time of
`schemas.codec.decode`. All other batches need `decode`. For regular batches both give the same
result, when reading and when writing.
"""

from functools import lru_cache
from typing import NamedTuple

from pipeline.media.batch import source_key
from schemas.codec import current_heads, head_to_write
from schemas.records import MediaBatch

STEP_MS = 20
SIZE = 160
MOST_FRAMES = 50

_NAME = MediaBatch.__name__
_HEADS = current_heads(_NAME)  # of five bytes each
_HEAD_BYTES = 5
_MOST_KNOWN = 10_000


class RegularBatch(NamedTuple):
    """A batch with one run of frames on both tracks, `STEP_MS` apart and of `SIZE` samples each.
    For each track: the first timestamp (ms), and the audio as a view of the record's bytes. None of
    its frames is invalid. `source`: see `pipeline.media.batch.source_key`."""

    source: str
    number: int
    at: int
    inbound_timestamp: int
    inbound: memoryview
    outbound_timestamp: int
    outbound: memoryview


def _long(value: int) -> bytes:
    """Return a long in Avro's zigzag varint encoding."""
    value, out = (value << 1) ^ (value >> 63), bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


# The bytes after the first timestamp of a track: frames, step and size of its only run, the end of
# the runs, no invalid frames, the length of the audio. Always 8 bytes. After the audio: no breaks.
_RESTS = {
    frames: b"".join(map(_long, (frames, STEP_MS, SIZE, 0, 0, frames * SIZE)))
    for frames in range(2, MOST_FRAMES + 1)
}
_REST = {rest: frames * SIZE for frames, rest in _RESTS.items()}
_INBOUND = _long(2) + _long(0) + _long(1)  # two tracks; inbound, with one run
_OUTBOUND = _long(0) + _long(1) + _long(1)  # no breaks on inbound; outbound, with one run
_END = _long(0) + _long(0)  # no breaks on outbound, the end of the tracks
_NULL, _LONG = _long(0), _long(1)  # the index of a union's value
_SOME = _LONG[0]
_BEGINNINGS = (("inbound", _INBOUND), ("outbound", _OUTBOUND))


class RegularReader:
    """Reads regular batches. It remembers the first bytes of the batches of each media stream,
    which are always the same."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[bytes, str]] = {}

    def read(self, data: bytes) -> RegularBatch | None:
        """Return the regular batch in `data`, a record's bytes; None: it is something else."""
        if data[:_HEAD_BYTES] not in _HEADS:
            return None
        try:
            key = data[: 6 + (data[5] >> 1)]
            beginning, source = self._known.get(key) or self._learn(key, data)
            if not data.startswith(beginning):
                beginning, source = self._learn(key, data)
            return _read(data, beginning, source)
        except (IndexError, ValueError):  # too short, or not UTF-8
            return None

    def _learn(self, key: bytes, data: bytes) -> tuple[bytes, str]:
        position, texts = _HEAD_BYTES, []
        for _ in range(4):  # stream, call and task SID, gateway
            length, position = _varint(data, position)
            texts.append(data[position : position + length].decode())
            position += length
        stream_sid, _, task_sid, gateway = texts
        epoch, position = _varint(data, position)
        found = data[:position], source_key(task_sid, stream_sid, gateway, epoch)
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[key] = found
        return found


def written(batch: MediaBatch) -> bytes | None:
    """Return the result of `schemas.codec.encode` for a regular batch, at a lower cost; None: the
    batch is not regular."""
    if len(batch.tracks) != len(_BEGINNINGS) or min(batch.number, batch.at) < 0:
        return None
    parts = [
        head_to_write(_NAME),
        _beginning(batch.stream_sid, batch.call_sid, batch.task_sid, batch.gateway, batch.epoch),
        _long(batch.number),
        _long(batch.at),
        _optional(batch.first_sequence),
        _optional(batch.last_sequence),
    ]
    for track, (name, beginning) in zip(batch.tracks, _BEGINNINGS, strict=True):
        if track.track != name or len(track.runs) != 1 or track.invalid or track.breaks:
            return None
        (run,) = track.runs
        if run.step != STEP_MS or run.size != SIZE or run.timestamp < 0:
            return None
        rest = _RESTS.get(run.frames)
        if rest is None or len(track.audio) != run.frames * SIZE:
            return None
        parts += (beginning, _long(run.timestamp), rest, track.audio)
    parts.append(_END)
    return b"".join(parts)


@lru_cache(maxsize=_MOST_KNOWN)
def _beginning(stream_sid: str, call_sid: str, task_sid: str, gateway: str, epoch: int) -> bytes:
    texts = [text.encode() for text in (stream_sid, call_sid, task_sid, gateway)]
    return b"".join((*(_long(len(text)) + text for text in texts), _long(epoch)))


def _optional(value: int | None) -> bytes:
    return _NULL if value is None else _LONG + _long(value)


def _read(data: bytes, beginning: bytes, source: str) -> RegularBatch | None:
    number, position = _varint(data, len(beginning))
    at, position = _varint(data, position)
    position = _past_optional(data, _past_optional(data, position))  # the sequence numbers
    if data[position : position + 3] != _INBOUND:
        return None
    inbound_timestamp, position = _varint(data, position + 3)
    length = _REST.get(data[position : position + 8])
    if length is None:
        return None
    position += 8 + length
    audio = memoryview(data)
    inbound = audio[position - length : position]
    if data[position : position + 3] != _OUTBOUND:
        return None
    outbound_timestamp, position = _varint(data, position + 3)
    length = _REST.get(data[position : position + 8])
    if length is None or data[position + 8 + length :] != _END:
        return None
    outbound = audio[position + 8 : position + 8 + length]
    return RegularBatch(
        source, number, at, inbound_timestamp, inbound, outbound_timestamp, outbound
    )


def _past_optional(data: bytes, position: int) -> int:
    """Return the position after a long or null."""
    position += 1
    if data[position - 1] != _SOME:
        return position
    while data[position] > 0x7F:
        position += 1
    return position + 1


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Return the long at `position`, and the position after it."""
    byte = data[position]
    value = byte & 0x7F
    shift = 7
    while byte > 0x7F:
        position += 1
        byte = data[position]
        value |= (byte & 0x7F) << shift
        shift += 7
    return (value >> 1) ^ -(value & 1), position + 1
