"""The audio store: whole objects or none, in a directory and in a bucket alike."""

import errno
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pipeline.store.audio import AudioStore, StoreError
from pipeline.store.files import PARTIAL
from tests.buckets import BUCKET, running_bucket


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The URL of a bucket that is there."""
    with running_bucket() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield f"s3://{BUCKET}/some/prefix"


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> AudioStore:
    """Each of the two kinds."""
    if request.param == "file":
        return AudioStore.from_url((tmp_path / "re cordings").as_uri())
    return AudioStore.from_url(f"{request.getfixturevalue('bucket')}/{tmp_path.name}")


async def chunks(count: int, fails: bool = False) -> AsyncIterator[bytes]:
    """Yield chunks of 1 MB, followed by an error if `fails`."""
    for number in range(count):
        yield bytes([number]) * 1_000_000
    if fails:
        raise RuntimeError("the source broke")


async def test_what_was_put_can_be_read(store):
    """Whole, in ranges, its size, and in the list of its directory."""
    await store.put("a/b.wav", b"hello")
    await store.put("ab/c.wav", b"")
    assert b"hello" == await store.get("a/b.wav")
    assert b"ell" == await store.get_range("a/b.wav", 1, 4)
    assert b"lo" == await store.get_range("a/b.wav", 3, 100)
    assert b"" == await store.get_range("a/b.wav", 3, 3)
    assert 5 == await store.size("a/b.wav")
    assert 0 == await store.size("ab/c.wav")
    assert ["a/b.wav"] == [key async for key in store.list("a")]
    assert [] == [key async for key in store.list("nothing")]


async def test_put_replaces(store):
    """The newer object is there, and nothing of the older one."""
    await store.put("a", b"a longer one")
    await store.put("a", b"short")
    assert b"short" == await store.get("a")


async def test_what_is_not_there(store):
    """Reading says so; deleting does not mind."""
    for reading in (store.get("no"), store.get_range("no", 0, 5), store.size("no")):
        with pytest.raises(FileNotFoundError):
            await reading
    await store.put("yes", b"1")
    await store.delete(["no", "yes", "also/no"])
    with pytest.raises(FileNotFoundError):
        await store.get("yes")


@pytest.mark.parametrize("count", [0, 1, 20])
async def test_chunks_become_one_object(store, count):
    """A large object, which needs several parts of an upload, is stored as one."""
    await store.put_chunks("many/chunks", chunks(count))
    assert count * 1_000_000 == await store.size("many/chunks")
    assert b"".join([chunk async for chunk in chunks(count)]) == await store.get("many/chunks")


@pytest.mark.parametrize("count", [0, 1, 20])
async def test_a_source_that_breaks_leaves_nothing(store, count):
    """The source's error is raised, and the previous object is still there."""
    await store.put("kept", b"before")
    for key in ("kept", "new"):
        with pytest.raises(RuntimeError, match="the source broke"):
            await store.put_chunks(key, chunks(count, fails=True))
    assert b"before" == await store.get("kept")
    with pytest.raises(FileNotFoundError):
        await store.size("new")


async def test_a_directory_holds_nothing_half_written(tmp_path):
    """No temporary file stays, neither after success nor after failure."""
    store = AudioStore.from_url(tmp_path.as_uri())
    await store.put("a/b", b"1")
    with pytest.raises(RuntimeError):
        await store.put_chunks("a/c", chunks(1, fails=True))
    assert [] == list((tmp_path / PARTIAL).iterdir())
    assert ["b"] == [path.name for path in (tmp_path / "a").iterdir()]


async def test_a_full_disk_is_a_store_error(tmp_path, monkeypatch):
    """The previous object stays, no temporary file remains, and later the upload succeeds."""
    store = AudioStore.from_url(tmp_path.as_uri())
    await store.put("a", b"before")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="No space left"):
            await store.put("a", b"after")
        with pytest.raises(StoreError, match="No space left"):
            await store.put_chunks("a", chunks(1))
    assert b"before" == await store.get("a")
    assert [] == list((tmp_path / PARTIAL).iterdir())
    await store.put("a", b"after")
    assert b"after" == await store.get("a")


async def test_everything_is_synced_before_it_has_its_name(tmp_path, monkeypatch):
    """The file first, then each directory above it that is new to this process, then its own."""
    store = AudioStore.from_url(tmp_path.as_uri())
    await store.put("day/first", b"1")
    synced: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    await store.put("day/new/second", b"2")
    file, *directories = synced
    assert 32 == len(file)
    assert ["day", "new"] == directories


async def test_what_a_killed_process_left_is_swept(tmp_path):
    """Old unfinished files are removed; recent ones may be in use."""
    store = AudioStore.from_url(tmp_path.as_uri())
    await store.sweep(60)  # nothing there yet
    (tmp_path / PARTIAL).mkdir()
    for name, age in (("old", 1_000), ("new", 0)):
        path = tmp_path / PARTIAL / name
        path.touch()
        at = path.stat().st_mtime - age
        os.utime(path, (at, at))
    await store.sweep(60)
    assert ["new"] == [path.name for path in (tmp_path / PARTIAL).iterdir()]


async def test_a_bucket_that_is_not_there(bucket):
    """Writing says that the store fails, not that an object is missing."""
    store = AudioStore.from_url(bucket.replace(BUCKET, "no-such-bucket"))
    with pytest.raises(StoreError):
        await store.put("a", b"1")


def test_a_directory_that_cannot_be(tmp_path):
    """Is refused at once."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError):
        AudioStore.from_url((tmp_path / "file" / "below").as_uri())
