"""Files that survive a power cut: synced before they get their name; then the name is synced too.

Every function blocks: call it in a thread.
"""

import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".partial"
"""The directory below a root for files that are being written."""


class Directory:
    """A directory in which a file appears whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._synced: set[Path] = set()

    def write(self, key: str, chunks: Iterable[bytes | bytearray]) -> None:
        """Write a file and replace earlier content."""
        with self.written(chunks) as partial:
            self.rename([(partial, key)])

    def write_new(self, key: str, chunks: Iterable[bytes | bytearray]) -> bool:
        """Write a file, unless there is one. Return whether it was written."""
        target = self.root / key
        with self.written(chunks) as partial:
            self.make_directory(target.parent)
            try:
                os.link(partial, target)  # unlike a rename, this never replaces a file
            except FileExistsError:
                is_new = False
            else:
                is_new = True
            sync_directory(target.parent)  # the other writer may not have synced the name yet
        return is_new

    @contextmanager
    def written(self, chunks: Iterable[bytes | bytearray]) -> Iterator[Path]:
        """Yield the path of a synced file without its final name. `rename` it in the block;
        otherwise it is deleted."""
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
        """Open a file without its final name. The caller must `publish` or delete it."""
        directory = self.root / PARTIAL
        directory.mkdir(exist_ok=True)
        partial = directory / secrets.token_hex(16)
        return partial, partial.open("xb", buffering=0)

    def publish(self, key: str, partial: Path, file: BinaryIO) -> None:
        """Sync and close the file, and give it its name."""
        os.fsync(file.fileno())
        file.close()
        self.rename([(partial, key)])

    def rename(self, synced: Sequence[tuple[Path, str]]) -> None:
        """Give files their names, one after the other. The files must be synced, and the names must
        be in one directory. Raise `FileNotFoundError` if one of the files is missing."""
        # 1. the bytes, 2. the directory's own name, 3. the object's name: each before the next, so
        # that a name on the disk always means the whole object.
        parent = (self.root / synced[0][1]).parent
        self.make_directory(parent)
        for partial, key in synced:
            partial.rename(self.root / key)
        sync_directory(parent)

    def make_directory(self, directory: Path) -> None:
        """Create a directory below the root and sync its name, but not its content."""
        directory.mkdir(parents=True, exist_ok=True)
        # The process that created an ancestor may have died before it synced it. So each ancestor
        # is synced once in this process's life.
        above = directory.parent
        while above != self.root.parent:
            if above == directory.parent or above not in self._synced:
                sync_directory(above)
                self._synced.add(above)
            above = above.parent

    def sweep(self, older_than_s: float) -> None:
        """Remove files that a killed process left half written, `older_than_s` ago or earlier."""
        directory = self.root / PARTIAL
        if not directory.is_dir():
            return
        probe = directory / secrets.token_hex(16)
        probe.touch()
        now = probe.stat().st_mtime  # the file system's clock, which also dates the other files
        probe.unlink()
        for partial in directory.iterdir():
            with suppress(FileNotFoundError):
                if partial.stat().st_mtime < now - older_than_s:
                    partial.unlink()


def write_all(file: BinaryIO, data: bytes | bytearray) -> None:
    """Write all of `data` to an unbuffered file. A single write may be partial, on a disk that is
    nearly full."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def sync_directory(directory: Path) -> None:
    """Make the names in the directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
