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
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path

from gateway.publishing.room import Room
from gateway.publishing.send_queue import Item
from pipeline.runtime.kafka import partition_of
from schemas.topics import CALL_PARTITIONS

FILE_BYTES = 8 * 1024 * 1024
_HEADER = struct.Struct(">IQdiHHI")
"""CRC-32 of everything after it, number, put at, partition (-1: none), lengths of topic, key
(0xffff: none) and value. Topic, key and value follow."""
_CRC_BYTES = 4
_NO_KEY = 0xFFFF


class SpillInUse(RuntimeError):
    """Another process uses the directory. The text says what to do."""


@dataclass(slots=True)
class _File:
    path: Path
    first: int
    last: int
    size: int


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
        self._files: list[_File] = []
        for path in sorted(directory.glob("*.spill")):
            if _is_number(path.stem):
                self._take_on(_known(path))
        self._writing: FileIO | None = None
        self._reading: tuple[_File, int] | None = None
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
        data = b"".join(map(_written, items))
        file = self._file_for(items[0].number)
        assert self._writing is not None
        try:
            _write_all(self._writing, data)
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
            items, end = _items(file, start, most)
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

    def _take_on(self, file: _File) -> None:
        if file.last >= file.first:
            self._files.append(file)
        else:
            file.path.unlink()

    def _file_for(self, number: int) -> _File:
        if self._writing is not None and self._files[-1].size < FILE_BYTES:
            return self._files[-1]
        if self._writing is not None:
            self._writing.close()
        self._directory.mkdir(exist_ok=True)
        file = _File(self._directory / f"{number:020}.spill", number, number - 1, 0)
        self._writing = FileIO(file.path, "w")
        self._files.append(file)
        return file

    def _abandon(self, file: _File) -> None:
        """Cut off an incomplete write, and close the file: the next write uses a new one."""
        assert self._writing is not None
        try:
            self._writing.truncate(file.size)
        finally:
            self._writing.close()
            self._writing = None


def _write_all(target: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[target.write(rest) :]


def _known(path: Path) -> _File:
    """Return a file that an earlier process left, up to its last complete item."""
    file = _File(path, int(path.stem), int(path.stem) - 1, path.stat().st_size)
    end = 0
    while True:
        items, end = _items(file, end, FILE_BYTES)
        if not items:
            return file
        file.last = items[-1].number


def _written(item: Item) -> bytes:
    topic, key = item.topic.encode(), item.key or b""
    partition = -1 if item.partition is None else item.partition
    key_size = _NO_KEY if item.key is None else len(key)
    head = _HEADER.pack(
        0, item.number, item.put_at, partition, len(topic), key_size, len(item.value)
    )[_CRC_BYTES:]
    body = b"".join((head, topic, key, item.value))
    return zlib.crc32(body).to_bytes(_CRC_BYTES) + body


def _items(file: _File, start: int, most: int) -> tuple[list[Item], int]:
    """Return the complete items from `start` on, and the position after them. They have about
    `most` bytes; at least one item is returned if there is one."""
    items: list[Item] = []
    with file.path.open("rb") as source:
        source.seek(start)
        data = source.read(most)
        position = 0
        while (found := _item(data, position)) is not None:
            item, position = found
            items.append(item)
        if not items and len(data) == most:  # the item is larger than `most`
            data += source.read()
            if (found := _item(data, 0)) is not None:
                return [found[0]], start + found[1]
    return items, start + position


def _item(data: bytes, position: int) -> tuple[Item, int] | None:
    """Return the item at `position` and the position after it; None if no complete one is there."""
    body = position + _HEADER.size
    if body > len(data):
        return None
    crc, number, put_at, partition, topic_size, key_size, value_size = _HEADER.unpack_from(
        data, position
    )
    has_key = key_size != _NO_KEY
    key_at = body + topic_size
    value_at = key_at + (key_size if has_key else 0)
    end = value_at + value_size
    if end > len(data) or zlib.crc32(memoryview(data)[position + _CRC_BYTES : end]) != crc:
        return None
    item = Item(
        number,
        data[body:key_at].decode(),
        data[key_at:value_at] if has_key else None,
        data[value_at:end],
        None if partition < 0 else partition,
        put_at,
    )
    return item, end
