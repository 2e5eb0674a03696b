"""The queue on disk."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.publishing import spill as spill_module
from gateway.publishing.send_queue import Item, Room
from gateway.publishing.spill import Spill, SpillInUse, Spills
from pipeline.runtime.kafka import partition_of
from tests.examples import examples

items = st.builds(
    Item,
    number=st.just(0),
    topic=st.sampled_from(["media", "stream.events", "p.é"]),
    key=st.none() | st.binary(max_size=40),
    value=st.binary(max_size=300),
    partition=st.none() | st.integers(0, 23),
    put_at=st.floats(0, 1e9),
)


def numbered(given_items: list[Item], first: int) -> list[Item]:
    return [
        Item(n, i.topic, i.key, i.value, i.partition, i.put_at)
        for n, i in enumerate(given_items, first)
    ]


def read_all(spill: Spill, most: int) -> list[Item]:
    found: list[Item] = []
    while more := spill.read(most):
        found += more
    return found


@settings(max_examples=examples(60), deadline=None)
@given(
    chunks=st.lists(st.lists(items, min_size=1, max_size=8), max_size=6),
    most=st.integers(1, 2_000),
    file_bytes=st.integers(1, 1_500),
    reopened=st.booleans(),
)
def test_what_was_written_is_read_in_its_order(chunks, most, file_bytes, reopened):
    """For any sizes of files and reads, and also by the next process."""
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(spill_module, "FILE_BYTES", file_bytes)
        spill = Spill(Path(directory), Room(10**9))
        written: list[Item] = []
        for chunk in chunks:
            new = numbered(chunk, len(written) + 1)
            spill.write(new)
            written += new
        if reopened:
            spill.close()
            spill = Spill(Path(directory), Room(10**9))
            assert len(written) == spill.left_over
        assert written == read_all(spill, most)
        assert sum(f.stat().st_size for f in Path(directory).glob("*.spill")) == spill.size
        spill.forget(len(written) + 1)
        assert (0, []) == (spill.size, list(Path(directory).glob("*.spill")))
        spill.close()


@settings(max_examples=examples(60), deadline=None)
@given(
    given_items=st.lists(items, min_size=1, max_size=12),
    cut=st.integers(1, 400),
    most=st.integers(1, 2_000),
)
def test_half_an_item_at_the_end_is_passed_over(given_items, cut, most):
    """A killed process may leave half an item: the whole items before it are read, and new ones
    follow them."""
    with tempfile.TemporaryDirectory() as directory:
        spill = Spill(Path(directory), Room(10**9))
        spill.write(numbered(given_items, 1))
        spill.close()
        [path] = Path(directory).glob("*.spill")
        path.write_bytes(path.read_bytes()[:-cut])
        spill = Spill(Path(directory), Room(10**9))
        complete = numbered(given_items, 1)[: spill.left_over]
        assert len(complete) < len(given_items)
        later = numbered(given_items, spill.left_over + 1)
        spill.write(later)
        assert complete + later == read_all(spill, most)
        spill.close()


def test_reading_continues_with_later_items(tmp_path):
    """Files that are no longer needed are removed one by one."""
    room = Room(1_000)
    spill = Spill(tmp_path, room)
    item = Item(1, "media", None, bytes(700), None, 0.0)
    spill.write([item])
    assert [item] == spill.read(10_000)
    assert [] == spill.read(10_000)
    following = Item(2, "media", None, bytes(700), None, 0.0)
    spill.write([following])
    assert room.is_full
    assert [following] == spill.read(10_000)
    spill.forget(2)
    assert spill.size
    spill.forget(3)
    assert not room.is_full
    third = Item(3, "media", b"k", b"v", 5, 0.0)
    spill.write([third])
    assert [third] == spill.read(10_000)


def test_a_directory_has_one_owner(tmp_path):
    """Two gateways of one name would send each other's audio."""
    spills = Spills(tmp_path, 1_000)
    with pytest.raises(SpillInUse, match="FLEXCAPTURE_INSTANCE"):
        Spills(tmp_path, 1_000)
    spills.close()
    Spills(tmp_path, 1_000).close()


def test_partitions_share_the_room(tmp_path):
    """And each finds its own again after a restart, with how full the disk is."""
    spills = Spills(tmp_path, 1_000)
    for partition in (3, 17):
        spills.of("p-media", partition).write(
            [Item(1, "p-media", b"k", bytes(480), partition, 0.0)]
        )
    assert spills.is_full
    size = spills.size
    spills.close()
    spills = Spills(tmp_path, 1_000)
    assert size == spills.size
    assert [("p-media", 3), ("p-media", 17)] == sorted(spills.left_over())
    [item] = spills.of("p-media", 17).read(10_000)
    assert 17 == item.partition
    spills.of("p-media", 17).forget(2)
    assert not spills.is_full
    spills.close()


@settings(max_examples=examples(30), deadline=None)
@given(given_items=st.lists(items, max_size=20))
def test_what_an_older_version_left_goes_to_its_partitions(given_items):
    """It had one queue for all; the order within a partition stays."""
    with tempfile.TemporaryDirectory() as directory:
        common = Spill(Path(directory), Room(10**9))
        if given_items:
            common.write(numbered(given_items, 1))
        common.close()
        spills = Spills(Path(directory), 10**9)
        assert [] == list(Path(directory).glob("*.spill"))
        for topic, partition in spills.left_over():
            found = read_all(spills.of(topic, partition), 10_000)
            assert [
                i.value for i in given_items
                if i.topic == topic and partition == _partition(i)
            ] == [i.value for i in found]  # fmt: skip
            assert list(range(1, len(found) + 1)) == [i.number for i in found]
            assert len(found) == spills.of(topic, partition).left_over
        assert {(i.topic, _partition(i)) for i in given_items} == set(spills.left_over())
        spills.close()


def _partition(item: Item) -> int:
    return partition_of(item.key or b"", 24) if item.partition is None else item.partition


def test_a_write_that_fails_leaves_nothing_half_done(tmp_path, monkeypatch):
    """A disk that is full for a while, say."""
    spill = Spill(tmp_path, Room(10_000))
    first, second = (Item(n, "media", None, bytes([n]) * 100, None, 0.0) for n in (1, 2))
    spill.write([first])

    def full(target, data):
        target.write(data[:50])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(spill_module, "write_all", full)
        with pytest.raises(OSError, match="No space"):
            spill.write([second])
    spill.write([second])
    assert [first, second] == read_all(spill, 10_000)


def test_files_and_directories_of_others_are_left_alone(tmp_path):
    """The directory may be a mount point, or an administrator may have left something there."""
    for name in ("lost+found", "media-x", "-1", "media-\u0663"):
        (tmp_path / name).mkdir()
    (tmp_path / "notes.spill").write_text("mine")
    (tmp_path / "media-3").mkdir()
    (tmp_path / "media-3" / "copy.spill").write_text("mine")
    spills = Spills(tmp_path, 10**6)
    assert [] == spills.left_over()
    assert 0 == spills.size
    spills.close()
    assert "mine" == (tmp_path / "media-3" / "copy.spill").read_text()
