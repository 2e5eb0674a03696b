"""Files that a power cut does not hurt: synced before they have their name, their names synced too.

Every function blocks: call it in a thread.
"""

import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".partial"
"""The directory, under a root, of what is being written."""


class Directory:
    """A directory whose files appear whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._synced: set[Path] = set()

    def write(self, key: str, chunks: Iterable[bytes | bytearray]) -> None:
        """Writes a file, in place of what was there."""
        with self.written(chunks) as partial:
            self.rename([(partial, key)])

    @contextmanager
    def written(self, chunks: Iterable[bytes | bytearray]) -> Iterator[Path]:
        """A file without a name yet, synced. `rename` it in the block, or it is deleted after."""
        partial, file = self.open_partial()
        try:
            with file:
                for chunk in chunks:
                    write_all(file, chunk)
                os.fsync(file.fileno())
            yield partial
        finally:
            partial.unlink(missing_ok=True)

    def open_partial(self) -> tuple[Path, BinaryIO]:
        """A file without a name yet; `publish` it, or delete it."""
        directory = self.root / PARTIAL
        directory.mkdir(exist_ok=True)
        partial = directory / secrets.token_hex(16)
        return partial, partial.open("xb", buffering=0)

    def publish(self, key: str, partial: Path, file: BinaryIO) -> None:
        """Closes the file and gives it its name."""
        os.fsync(file.fileno())
        file.close()
        self.rename([(partial, key)])

    def rename(self, synced: Sequence[tuple[Path, str]]) -> None:
        """Gives files their names, one after the other. They must be synced, and the names be of
        one directory. Raises `FileNotFoundError` where one of the files is not there."""
        # 1. the bytes, 2. the directory's own name, 3. the object's name: each before the next, so
        # that a name on the disk never stands for less than the whole object.
        parent = (self.root / synced[0][1]).parent
        self.make_directory(parent)
        for partial, key in synced:
            partial.rename(self.root / key)
        sync_directory(parent)

    def make_directory(self, directory: Path) -> None:
        """Makes a directory below the root; its name is synced, what will be in it is not."""
        directory.mkdir(parents=True, exist_ok=True)
        # An ancestor may have been made by a process that died before it synced it: each is
        # synced once in this process's life.
        above = directory.parent
        while above != self.root.parent:
            if above == directory.parent or above not in self._synced:
                sync_directory(above)
                self._synced.add(above)
            above = above.parent

    def sweep(self, older_than_s: float) -> None:
        """Removes what a killed process left half written that long ago."""
        directory = self.root / PARTIAL
        if not directory.is_dir():
            return
        probe = directory / secrets.token_hex(16)
        probe.touch()
        now = probe.stat().st_mtime  # the file system's own clock, which is what dates the others
        probe.unlink()
        for partial in directory.iterdir():
            with suppress(FileNotFoundError):
                if partial.stat().st_mtime < now - older_than_s:
                    partial.unlink()


def write_all(file: BinaryIO, data: bytes | bytearray) -> None:
    """Writes all of `data` to an unbuffered file, which may take less than all at once, on a disk
    that is nearly full."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def sync_directory(directory: Path) -> None:
    """Makes the names in it safe."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
