"""Uploads that are cut off by SIGKILL: no part of them is visible, and another one is complete."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.store.audio import AudioStore
from tests.buckets import BUCKET, running_bucket

ROOT = Path(__file__).parents[3]
MIB = 1024 * 1024
SCRIPT = """
import asyncio, sys
from pipeline.store.audio import AudioStore

async def chunks():
    for _ in range(20):
        yield bytes(1024 * 1024)
    print("half", flush=True)
    await asyncio.Event().wait()

asyncio.run(AudioStore.from_url(sys.argv[1]).put_chunks("day/one.wav", chunks()))
"""


def killed_amid(url: str) -> None:
    """A process that has uploaded a part, at least, and is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, url],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"half\n"
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("kind", ["bucket", "directory"])
async def test_killed_in_the_middle(kind, tmp_path, monkeypatch):
    """The previous object or none is there; the next upload is complete."""
    with running_bucket() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        url = f"s3://{BUCKET}/uploads" if kind == "bucket" else tmp_path.as_uri()
        store = AudioStore.from_url(url)
        for before in (None, b"before"):
            if before is not None:
                await store.put("day/one.wav", before)
            await asyncio.to_thread(killed_amid, url)
            found = [key async for key in store.list("") if not key.startswith(".partial")]
            assert ([] if before is None else ["day/one.wav"]) == found
            assert before is None or before == await store.get("day/one.wav")

        async def whole():
            for number in range(20):
                yield bytes([number]) * MIB

        await store.put_chunks("day/one.wav", whole())
        assert 20 * MIB == await store.size("day/one.wav")
