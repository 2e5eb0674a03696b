"""The lake in a directory and in a bucket: files are written once, and found again."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.lake.columns import LakeTable
from pipeline.lake.layout import MARKER, PartitionRef
from pipeline.lake.parquet import encoded
from pipeline.lake.partition import NextFile
from pipeline.store.audio import AudioStore, StoreError
from pipeline.store.lake import HEAD_EVERY, Lake, ReplacesObjects
from schemas.topics import CALLS
from tests.buckets import BUCKET, running_bucket

REF = PartitionRef("calls", 3)


@pytest.fixture(params=["directory", "bucket"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AudioStore]:
    """An empty store of each kind."""
    if request.param == "directory":
        yield AudioStore.from_url((tmp_path / "lake").as_uri())
        return
    with running_bucket() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        # a prefix of its own: all buckets of this process are one
        yield AudioStore.from_url(f"s3://{BUCKET}/{uuid.uuid4()}")


def file(start: int, end: int) -> bytes:
    """Return a file without records."""
    return encoded(LakeTable(CALLS, "calls"), REF, NextFile(start, end, 0, [])).data


async def test_an_object_is_written_once(store: AudioStore) -> None:
    """The second writer is refused, and its bytes are nowhere."""
    assert await store.put_new("a/b/c", b"first")
    assert not await store.put_new("a/b/c", b"second")
    assert await store.get("a/b/c") == b"first"
    assert ["a/b/c"] == [key async for key in store.list("a")]


async def test_the_chain_is_found_again(store: AudioStore) -> None:
    """The next file begins at the end of the last; a claim without a file holds."""
    lake = Lake(store)
    await lake.check()
    await lake.check()
    assert (0, None) == await lake.next_start(REF)
    assert await lake.claim(REF, 0, 5) is None
    assert (0, 5) == await lake.next_start(REF)
    assert await lake.claim(REF, 0, 6) == 5
    assert await lake.end_of(REF, 5, 0) is None
    assert await lake.put(REF, 5, 0, file(0, 10))
    assert not await lake.put(REF, 5, 0, file(0, 20))
    assert await lake.end_of(REF, 5, 0) == 10
    assert (10, None) == await lake.next_start(REF)
    assert (0, None) == await lake.next_start(PartitionRef("calls", 4))


async def test_old_claims_need_not_be_listed(store: AudioStore) -> None:
    """After many claims there is a head, and the next start is found from there on."""
    lake = Lake(store)
    for start in range(HEAD_EVERY):
        await lake.claim(REF, start, 0)
    assert (HEAD_EVERY - 1, 0) == await lake.next_start(REF)
    assert str(HEAD_EVERY - 1).encode() == await store.get(REF.head_key)
    await store.delete([REF.claim_key(start) for start in range(HEAD_EVERY - 1)])
    assert (HEAD_EVERY - 1, 0) == await lake.next_start(REF)
    await lake.claim(REF, 1_000, 2)
    assert (1_000, 2) == await lake.next_start(REF)


async def test_a_file_of_something_else_is_an_error(store: AudioStore) -> None:
    """It is neither adopted nor replaced."""
    lake = Lake(store)
    await lake.claim(REF, 7, 0)
    await lake.put(REF, 0, 7, file(8, 9))
    with pytest.raises(StoreError, match="begins at offset 8"):
        await lake.next_start(REF)
    await lake.put(REF, 1, 7, b"no Parquet")
    with pytest.raises(StoreError, match="no Parquet"):
        await lake.end_of(REF, 1, 7)
    await store.put(REF.claim_key(7), b"yesterday")
    with pytest.raises(StoreError, match="damaged"):
        await lake.next_start(REF)


async def test_a_store_that_replaces_objects_is_refused(
    store: AudioStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some stores with S3's interface ignore the condition."""

    async def replaces(key: str, data: bytes) -> bool:
        await store.put(key, data)
        return True

    monkeypatch.setattr(store, "put_new", replaces)
    with pytest.raises(ReplacesObjects):
        await Lake(store).check()


async def test_a_lake_of_another_format_is_refused(store: AudioStore) -> None:
    """A later release may write the lake in another way."""
    await store.put(MARKER, b"flexcapture lake, format 2\n")
    with pytest.raises(StoreError, match="unknown format"):
        await Lake(store).check()
