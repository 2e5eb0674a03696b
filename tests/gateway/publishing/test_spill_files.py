"""The files of a spill: items are read as they were written, and damage is never an item."""

import tempfile
from io import FileIO
from itertools import accumulate
from pathlib import Path
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.publishing.send_queue import Item
from gateway.publishing.spill_files import SpillFile, items_from, known_file, write_all, written
from tests.examples import examples

ITEMS = st.lists(
    st.builds(
        Item,
        number=st.just(0),
        topic=st.sampled_from(["media", "stream.events", "p.é"]),
        key=st.none() | st.binary(max_size=9),
        value=st.binary(max_size=60),
        partition=st.none() | st.integers(0, 23),
        put_at=st.floats(0, 1e9),
    ),
    min_size=1,
    max_size=6,
).map(lambda items: [_numbered(n, item) for n, item in enumerate(items, 7)])


def _numbered(number: int, item: Item) -> Item:
    return Item(number, item.topic, item.key, item.value, item.partition, item.put_at)


def file_of(directory: str, data: bytes) -> SpillFile:
    """Write a spill file that begins with item 7."""
    path = Path(directory) / f"{7:020}.spill"
    path.write_bytes(data)
    return SpillFile(path, 7, 6, len(data))


@settings(max_examples=examples(40))
@given(ITEMS, st.integers(1, 200))
def test_items_are_read_in_pieces_of_any_size(items: list[Item], most: int) -> None:
    """At least one item at a time, also if it is larger than the piece."""
    with tempfile.TemporaryDirectory() as directory:
        file = file_of(directory, b"".join(map(written, items)))
        found, position = [], 0
        while True:
            more, position = items_from(file, position, most)
            if not more:
                break
            found += more
        assert items == found
        assert file.size == position


@settings(max_examples=examples(40))
@given(ITEMS, st.data())
def test_a_changed_byte_ends_the_file(items: list[Item], data: st.DataObject) -> None:
    """The items before it are read, and no other ones."""
    pieces = [written(item) for item in items]
    content = bytearray(b"".join(pieces))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    intact = sum(end <= at for end in accumulate(map(len, pieces)))
    with tempfile.TemporaryDirectory() as directory:
        file = file_of(directory, bytes(content))
        assert items[:intact] == items_from(file, 0, 10_000)[0]


@settings(max_examples=examples(40))
@given(ITEMS, st.integers(0, 400))
def test_a_file_of_an_earlier_process_ends_with_its_last_complete_item(
    items: list[Item], size: int
) -> None:
    """The numbers of its items are known from its name and its contents."""
    data = b"".join(map(written, items))[:size]
    ends = accumulate(len(written(item)) for item in items)
    with tempfile.TemporaryDirectory() as directory:
        found = known_file(file_of(directory, data).path)
    assert (7, 6 + sum(end <= size for end in ends)) == (found.first, found.last)
    assert len(data) == found.size


def test_a_key_that_is_empty_is_not_a_missing_one() -> None:
    """Kafka would choose another partition."""
    with tempfile.TemporaryDirectory() as directory:
        items = [Item(7, "t", b"", b"v", None, 0.0), Item(8, "t", None, b"v", 0, 0.0)]
        file = file_of(directory, b"".join(map(written, items)))
        assert items == items_from(file, 0, 10_000)[0]


class SlowDisk:
    """Takes at most three bytes at a time."""

    def __init__(self) -> None:
        self.taken = b""

    def write(self, data: memoryview) -> int:
        self.taken += bytes(data[:3])
        return min(3, len(data))


@given(st.binary(max_size=20))
def test_partial_writes_are_continued(data: bytes) -> None:
    """The operating system may write less than it is given."""
    disk = SlowDisk()
    write_all(cast("FileIO", disk), data)
    assert data == disk.taken
