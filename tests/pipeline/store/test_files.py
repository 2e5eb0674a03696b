"""Files of a directory store: whole, synced, swept."""

import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pipeline.store.audio import AudioStore, StoreError
from pipeline.store.files import PARTIAL


async def chunks(count: int, fails: bool = False) -> AsyncIterator[bytes]:
    """Yield chunks of 1 MB, followed by an error if `fails`."""
    for number in range(count):
        yield bytes([number]) * 1_000_000
    if fails:
        raise RuntimeError("the source broke")


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
