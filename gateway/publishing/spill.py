"""Queues of items on local disk, one for each partition, for the time in which Kafka does not take
them.

A queue is a directory of files with consecutive items. Items are appended to the last file and read
from the first; a file is deleted when none of its items is needed any more. The next process of the
same name finds the items of a killed one; an incomplete item at a file's end is ignored. Nothing is
synced, because a slow disk could then block the gateway. So a power failure may lose the items that
the kernel has not written yet.

Blocking: call from a thread, one call at a time.
"""

import fcntl
from collections.abc import Iterable
from dataclasses import replace
from io import FileIO
from pathlib import Path

from gateway.publishing.send_queue import Item, Room
from gateway.publishing.spill_files import (
    FILE_BYTES,
    SpillFile,
    items_from,
    known_file,
    write_all,
    written,
)
from pipeline.runtime.kafka import partition_of
from schemas.topics import CALL_PARTITIONS


class SpillInUse(RuntimeError):
    """Another process uses the directory. The text says what to do."""


class Spills:
    """The queues in a directory, each in a subdirectory TOPIC-PARTITION. `limit`: bytes on disk of
    all queues together. Raise `OSError` if the directory cannot be used, and `SpillInUse`."""

    def __init__(self, directory: Path, limit: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._room = Room(limit)
        self._lock = (directory / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SpillInUse(
                f"{directory} is in use by another gateway: give each its own FLEXCAPTURE_INSTANCE"
            ) from error
        self._spills: dict[str, Spill] = {}
        self._share_out()
        for found in sorted(directory.iterdir()):
            if found.is_dir() and (place := _place(found.name)):
                self.of(*place)

    def of(self, topic: str, partition: int) -> "Spill":
        """Return the partition's queue."""
        name = f"{topic}-{partition}"
        if name not in self._spills:
            self._spills[name] = Spill(self._directory / name, self._room)
        return self._spills[name]

    def left_over(self) -> list[tuple[str, int]]:
        """Return the topics and partitions of which an earlier process left items."""
        places = [_place(name) for name, spill in self._spills.items() if spill.left_over]
        return [place for place in places if place]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._room.used

    @property
    def is_full(self) -> bool:
        """Whether the limit is reached."""
        return self._room.is_full

    def filled(self) -> float:
        """Return the used share of the limit; 1 or more if the limit is reached."""
        return self._room.filled()

    def __str__(self) -> str:
        return str(self._directory)

    def close(self) -> None:
        """Close the open files and release the lock. The items stay on disk."""
        for spill in self._spills.values():
            spill.close()
        self._lock.close()

    def _share_out(self) -> None:
        """Move the items of an earlier version, which had one queue for all partitions, to their
        partitions' queues."""
        common = Spill(self._directory, Room(self._room.limit))
        while items := common.read(FILE_BYTES):
            for item in items:
                partition = item.partition
                if partition is None:
                    partition = partition_of(item.key or b"", CALL_PARTITIONS)
                spill = self.of(item.topic, partition)
                spill.write([replace(item, number=spill.last + 1)])
            common.forget(items[-1].number + 1)
        for spill in self._spills.values():
            spill.hand_down()


def _place(name: str) -> tuple[str, int] | None:
    """Return topic and partition of a queue's directory. None for other names: the directory can be
    a mount point, with `lost+found` for example."""
    topic, _, partition = name.rpartition("-")
    return (topic, int(partition)) if topic and _is_number(partition) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


class Spill:
    """The queue of a partition. `room`: the limit of bytes on disk, which queues may share."""

    def __init__(self, directory: Path, room: Room) -> None:
        self._directory = directory
        self._room = room
        self._files: list[SpillFile] = []
        for path in sorted(directory.glob("*.spill")):
            if _is_number(path.stem):
                self._take_on(known_file(path))
        self._writing: FileIO | None = None
        self._reading: tuple[SpillFile, int] | None = None
        self.left_over = self.last
        self._room.used += self.size

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.size for file in self._files)

    @property
    def last(self) -> int:
        """The number of the last item; 0 if there is none."""
        return self._files[-1].last if self._files else 0

    def hand_down(self) -> None:
        """Count the items that are there as left over by an earlier process."""
        self.left_over = self.last

    def write(self, items: Iterable[Item]) -> None:
        """Append items. Raise `OSError` if they cannot be written; then none of them is stored."""
        items = list(items)
        if not items:
            return
        data = b"".join(map(written, items))
        file = self._file_for(items[0].number)
        assert self._writing is not None
        try:
            write_all(self._writing, data)
        except OSError:
            self._abandon(file)
            raise
        file.size += len(data)
        self._room.used += len(data)
        file.last = items[-1].number

    def read(self, most: int) -> list[Item]:
        """Return the next items, about `most` bytes; an empty list if all were read."""
        while True:
            if self._reading is None:
                if not self._files:
                    return []
                self._reading = self._files[0], 0
            file, start = self._reading
            items, end = items_from(file, start, most)
            self._reading = file, end
            if items:
                return items
            place = self._files.index(file)
            if place + 1 == len(self._files):
                return []
            self._reading = self._files[place + 1], 0

    def forget(self, first_needed: int) -> None:
        """Delete the files with only lower numbers than `first_needed`."""
        while self._files and self._files[0].last < first_needed:
            file = self._files[0]
            if not self._files[1:] and self._writing is not None:
                self._writing.close()
                self._writing = None
            if self._reading is not None and self._reading[0] is file:
                self._reading = None
            file.path.unlink(missing_ok=True)
            self._files.pop(0)
            self._room.used -= file.size

    def close(self) -> None:
        """Close the open file. The items stay on disk."""
        if self._writing is not None:
            self._writing.close()
            self._writing = None

    def _take_on(self, file: SpillFile) -> None:
        if file.last >= file.first:
            self._files.append(file)
        else:
            file.path.unlink()

    def _file_for(self, number: int) -> SpillFile:
        if self._writing is not None and self._files[-1].size < FILE_BYTES:
            return self._files[-1]
        if self._writing is not None:
            self._writing.close()
        self._directory.mkdir(exist_ok=True)
        file = SpillFile(self._directory / f"{number:020}.spill", number, number - 1, 0)
        self._writing = FileIO(file.path, "w")
        self._files.append(file)
        return file

    def _abandon(self, file: SpillFile) -> None:
        """Cut off an incomplete write, and close the file: the next write uses a new one."""
        assert self._writing is not None
        try:
            self._writing.truncate(file.size)
        finally:
            self._writing.close()
            self._writing = None
