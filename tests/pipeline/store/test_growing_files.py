"""Growing files: every byte is at its place, and no others are changed."""

import errno
import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.recordings.file_layout import Block
from pipeline.store.files import Directory
from pipeline.store.growing_files import Drafts


@pytest.fixture
def drafts(tmp_path: Path) -> Drafts:
    """In an empty directory."""
    return Drafts(Directory(tmp_path))


places = st.tuples(
    st.integers(0, 9_000), st.binary(min_size=1, max_size=40), st.sampled_from([1, 2])
)


@given(st.lists(places, max_size=8))
def test_bytes_lie_where_they_belong(tmp_path_factory, pieces):
    """For any writes in any order: the same as in memory."""
    drafts = Drafts(Directory(tmp_path_factory.mktemp("drafts")))
    expected = bytearray()
    for position, data, step in pieces:
        end = position + (len(data) - 1) * step + 1
        expected.extend(bytes(max(0, end - len(expected))))
        expected[position:end:step] = data
    drafts.write("a/b", [Block(*piece) for piece in pieces], new=True)
    assert expected == drafts.path("a/b").read_bytes()
    assert (len(expected), hashlib.sha256(expected).hexdigest()) == drafts.digest("a/b")


def test_a_track_alone_does_not_undo_what_another_wrote_meanwhile(drafts, monkeypatch):
    """A process that is paused during a write and then continues writes only its own bytes."""
    drafts.write("a", [Block(0, b"LxLxLxLx")], new=True)
    allocate = os.posix_fallocate

    def paused(file: int, position: int, length: int) -> None:
        allocate(file, position, length)
        with drafts.path("a").open("r+b") as other:
            other.write(b"LRLRLRLR")

    monkeypatch.setattr(os, "posix_fallocate", paused)
    drafts.write("a", [Block(0, b"llll", 2)], new=False)
    assert b"lRlRlRlR" == drafts.path("a").read_bytes()


def test_what_must_be_there(drafts):
    """A draft that is gone is not begun again in its middle; syncing passes over it."""
    with pytest.raises(FileNotFoundError):
        drafts.write("a/b", [Block(100, b"x")], new=False)
    drafts.sync(["a/b"])
    drafts.delete("a/b")


def test_a_full_disk_is_an_error_for_single_bytes_too(drafts, monkeypatch):
    """And not the signal that a mapped file would give."""
    drafts.write("a", [], new=True)

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        drafts.write("a", [Block(10, b"xy", 2)], new=False)


def test_the_finished_file(drafts):
    """With the right length and hash, regardless of earlier content."""
    drafts.write("a", [Block(0, b"0123456789")], new=True)
    found = drafts.finish("a", [Block(1, b"ab", 2)], 5, new=False)
    assert b"0a2b4" == drafts.path("a").read_bytes()
    assert (5, hashlib.sha256(b"0a2b4").hexdigest()) == found
