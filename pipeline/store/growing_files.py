"""Files that grow at their final place, such as the WAV of an unfinished recording.

Their content counts only after `sync`. They may contain more: a process that continues writes the
same bytes to the same places. A write touches no other bytes, so late writes of a process that was
paused for a long time, and no longer owns the recording, do no harm.

Every function blocks: call it in a thread.
"""

import hashlib
import mmap
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from pipeline.store.files import Directory, sync_directory

READ_BYTES = 1024 * 1024


class Bytes(Protocol):
    """Bytes and their place: from `position` on, `step` apart."""

    @property
    def position(self) -> int: ...
    @property
    def data(self) -> bytes | bytearray: ...
    @property
    def step(self) -> int: ...


class Digest(NamedTuple):
    """A file's size in bytes, and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


class Drafts:
    """The growing files of a directory, by key."""

    def __init__(self, files: Directory) -> None:
        self._files = files

    def path(self, key: str) -> Path:
        """Return the path of the file with that key; it need not exist."""
        return self._files.root / key

    def write(self, key: str, pieces: Iterable[Bytes], *, new: bool) -> None:
        """Write bytes to their places. Raise `FileNotFoundError` if the file does not exist and
        `new` is false."""
        with self._opened(key, new=new) as file:
            for piece in pieces:
                if piece.step == 1:
                    _write_at(file, piece.data, piece.position)
                else:
                    _scatter(file, piece.data, piece.position, piece.step)

    def sync(self, keys: Iterable[str]) -> None:
        """Make everything written to these files durable. New files also need `sync_names` of their
        directory. After an error it is not known how much was written, and a second call would not
        show it. Missing files are skipped: they were finished or deleted."""
        for key in keys:
            with suppress(FileNotFoundError), self._opened(key, new=False) as file:
                os.fdatasync(file)

    def sync_names(self, directory: str) -> None:
        """Make the names of the files in the directory durable."""
        sync_directory(self.path(directory))

    def digest(self, key: str) -> Digest:
        """Return the file's size and hash, read piece by piece."""
        with self._opened(key, new=False) as file:
            return _digest(file)

    def finish(self, key: str, pieces: Iterable[Bytes], size: int, *, new: bool) -> Digest:
        """Write the last pieces, make the file `size` bytes long, and sync it."""
        self.write(key, pieces, new=new)
        with self._opened(key, new=False) as file:
            os.ftruncate(file, size)
            found = _digest(file)
            os.fsync(file)
        return found

    def delete(self, key: str) -> None:
        """Delete the file, if it exists."""
        self.path(key).unlink(missing_ok=True)

    @contextmanager
    def _opened(self, key: str, *, new: bool) -> Iterator[int]:
        path = self.path(key)
        if new and not path.parent.exists():
            self._files.make_directory(path.parent)
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if new else 0), 0o666)
        try:
            yield file
        finally:
            os.close(file)


def _digest(file: int) -> Digest:
    digest, size, piece = hashlib.sha256(), 0, bytearray(READ_BYTES)
    view = memoryview(piece)
    while count := os.preadv(file, [piece], size):
        digest.update(view[:count])
        size += count
    return Digest(size, digest.hexdigest())


def _write_at(file: int, data: bytes | bytearray, position: int) -> None:
    rest = memoryview(data)
    while rest:  # a write may be partial, on a disk that is nearly full
        count = os.pwrite(file, rest, position)
        rest, position = rest[count:], position + count


def _scatter(file: int, data: bytes | bytearray, position: int, step: int) -> None:
    """Write every `step`-th byte without touching the bytes between. Reading them and writing them
    back could undo what another process has just written."""
    length = (len(data) - 1) * step + 1
    os.posix_fallocate(file, position, length)  # a full disk is an error here, and a signal below
    base = position - position % mmap.ALLOCATIONGRANULARITY
    end = position - base + length
    with mmap.mmap(file, end, offset=base) as view:
        view[position - base : end : step] = bytes(data)
