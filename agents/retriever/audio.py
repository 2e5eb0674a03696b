"""The audio files of a retrieval: read the file that Twilio delivered, and write the recording.

Files are read in pieces, in threads, so that a day of audio needs little memory.
"""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from pipeline.media.runs import SAMPLES_PER_MS
from pipeline.media.wav import CHANNELS, HEADER_SIZE, SILENCE, header
from pipeline.recovery.alignment import Sides
from pipeline.recovery.cutting import Cut
from pipeline.recovery.decryption import TAG_BYTES, content_key, decrypted
from pipeline.recovery.envelope import HOP_SAMPLES, envelope
from pipeline.recovery.sides import CustomerChannel, DeterminedBy
from pipeline.recovery.sources import Encryption
from pipeline.recovery.wav_file import HEAD_BYTES, NotUsable, WavLayout, channels_of, layout_of
from pipeline.store.audio import AudioStore
from schemas.records import ContactRecording

PIECE_SAMPLES = 100 * HOP_SAMPLES * 64
"""Samples of each channel in one piece: 32 s; a whole number of steps of an envelope."""
CAPTURED_MS = 60 * 60 * 1000
"""The most captured audio that is looked at."""
_SILENCE = SILENCE[0]


@dataclass(frozen=True, slots=True)
class DeliveredFile:
    """A file from Twilio, decrypted, with its layout."""

    path: Path
    layout: WavLayout

    def pieces(self, first: int = 0, last: int | None = None) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield the mu-law samples of each channel, in pieces, from sample `first` up to `last`.
        This blocks."""
        layout = self.layout
        end = layout.samples if last is None else last
        with self.path.open("rb") as file:
            file.seek(layout.data_at + first * layout.sample_bytes)
            for at in range(first, end, PIECE_SAMPLES):
                count = min(PIECE_SAMPLES, end - at)
                data = file.read(count * layout.sample_bytes)
                if len(data) < count * layout.sample_bytes:
                    raise NotUsable("the file became shorter")
                yield channels_of(data, layout)

    def envelopes(self, moved: Callable[[], None] = lambda: None) -> Sides:
        """Return the envelope of each channel. This blocks. `moved` is called after each piece."""
        found = []
        for piece in self.pieces():
            found.append([envelope(channel) for channel in piece])
            moved()
        return np.array([np.concatenate(parts) for parts in zip(*found, strict=True)])


def opened(
    path: Path, encryption: Encryption | None, keys: Iterable[RSAPrivateKey]
) -> DeliveredFile:
    """Return the delivered file, decrypted if it is encrypted. This blocks. Raise `NotUsable`."""
    if encryption is not None:
        # Use a new name: a thread of an attempt that was given up may still be writing.
        plain = path.with_name(f"{path.stem}-{secrets.token_hex(8)}.plain")
        _decrypt(path, plain, encryption, tuple(keys))
        path = plain
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    return DeliveredFile(path, layout_of(head, path.stat().st_size))


def _decrypt(
    path: Path, plain: Path, encryption: Encryption, keys: tuple[RSAPrivateKey, ...]
) -> None:
    if not keys:
        raise NotUsable(
            f"encrypted (public key {encryption.public_key_sid}), and no private key is set"
        )
    key = content_key(encryption, keys)
    size = path.stat().st_size - TAG_BYTES
    if size <= 0:
        raise NotUsable("too short to be encrypted audio")
    with path.open("rb") as file:
        file.seek(size)
        tag = file.read(TAG_BYTES)
        file.seek(0)
        chunks = (file.read(min(1 << 20, size - at)) for at in range(0, size, 1 << 20))
        plain.touch(mode=0o600)
        with plain.open("wb") as target:
            for chunk in decrypted(chunks, encryption, key, tag):
                target.write(chunk)


async def captured_sides(
    store: AudioStore, recording: ContactRecording, since: int, until: int
) -> tuple[int, Sides] | None:
    """Return envelopes of a part of a recording, inbound and outbound, and when the part begins:
    from `since` to `until` (ms), `CAPTURED_MS` of it at most. None: there is none. Raise
    `StoreError`, `FileNotFoundError`."""
    start = max(since, recording.started_at)
    end = min(until, recording.started_at + (recording.duration_ms or 0), start + CAPTURED_MS)
    if recording.audio is None or end <= start:
        return None
    first = (start - recording.started_at) * SAMPLES_PER_MS
    last = (end - recording.started_at) * SAMPLES_PER_MS
    data = await store.get_range(
        recording.audio, HEADER_SIZE + CHANNELS * first, HEADER_SIZE + CHANNELS * last
    )
    return start, await asyncio.to_thread(_sides, data)


def _sides(data: bytes) -> Sides:
    samples = np.frombuffer(data[: len(data) // CHANNELS * CHANNELS], np.uint8)
    return np.array([envelope(np.ascontiguousarray(samples[n::CHANNELS])) for n in range(CHANNELS)])


class RecoveredFile:
    """The WAV to store, made piece by piece. `chunks` yields it; `sha256` is valid afterwards."""

    def __init__(self, source: DeliveredFile, cut: Cut, channel: CustomerChannel) -> None:
        self._source, self._cut, self._channel = source, cut, channel
        self._digest = hashlib.sha256()

    @property
    def size(self) -> int:
        """The size of the file in bytes."""
        return HEADER_SIZE + CHANNELS * self._cut.samples

    @property
    def sha256(self) -> str:
        """The SHA-256 of all yielded bytes, in hexadecimal."""
        return self._digest.hexdigest()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the file: left is the customer, right is everything else."""
        self._digest = hashlib.sha256()
        pieces = self._source.pieces(self._cut.first, self._cut.last)
        at = self._cut.first
        yield self._counted(header(self._cut.samples))
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield self._counted(self._interleaved(piece, at))
            at += len(piece[0])

    def _counted(self, data: bytes) -> bytes:
        self._digest.update(data)
        return data

    def _interleaved(self, piece: tuple[np.ndarray, ...], at: int) -> bytes:
        pair = np.full((len(piece[0]), CHANNELS), _SILENCE, np.uint8)
        pair[:, 0] = piece[self._channel.number]
        if self._channel.determined_by is not DeterminedBy.MONO:
            pair[:, 1] = piece[1 - self._channel.number]
        for first, last in self._cut.silenced:
            pair[max(0, first - at) : max(0, last - at)] = _SILENCE
        return pair.tobytes()
