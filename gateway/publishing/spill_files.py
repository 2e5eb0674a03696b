"""The files of a spill: records with a checksum each, in the order of their numbers."""

import struct
import zlib
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from gateway.publishing.send_queue import Item

FILE_BYTES = 8 * 1024 * 1024
_HEADER = struct.Struct(">IQdiHHI")
"""CRC-32 of everything after it, number, put at, partition (-1: none), lengths of topic, key
(0xffff: none) and value. Topic, key and value follow."""


_CRC_BYTES = 4


_NO_KEY = 0xFFFF


@dataclass(slots=True)
class SpillFile:
    path: Path
    first: int
    last: int
    size: int


def write_all(target: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[target.write(rest) :]


def known_file(path: Path) -> SpillFile:
    """Return a file that an earlier process left, up to its last complete item."""
    file = SpillFile(path, int(path.stem), int(path.stem) - 1, path.stat().st_size)
    end = 0
    while True:
        items, end = items_from(file, end, FILE_BYTES)
        if not items:
            return file
        file.last = items[-1].number


def written(item: Item) -> bytes:
    topic, key = item.topic.encode(), item.key or b""
    partition = -1 if item.partition is None else item.partition
    key_size = _NO_KEY if item.key is None else len(key)
    head = _HEADER.pack(
        0, item.number, item.put_at, partition, len(topic), key_size, len(item.value)
    )[_CRC_BYTES:]
    body = b"".join((head, topic, key, item.value))
    return zlib.crc32(body).to_bytes(_CRC_BYTES) + body


def items_from(file: SpillFile, start: int, most: int) -> tuple[list[Item], int]:
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
