"""The audio store: whole objects or none, in a directory and in a bucket alike."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pipeline.store.audio import AudioStore, StoreError
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
    """The newer object is there, without any part of the older one."""
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
