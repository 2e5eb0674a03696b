"""The recorder with a store that refuses: a full disk, and a missing bucket."""

import asyncio
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import boto3
import pytest

from infra.ports import chosen
from pipeline.runtime.kafka import partition_of
from pipeline.runtime.settings import Settings
from schemas.topics import CALL_PARTITIONS
from tests.buckets import running_bucket
from tests.integration.recorder_process import (
    ROOT,
    SECONDS,
    SIDS,
    Media,
    batches_of,
    check_audio,
    on_media,
    recorder,
)
from tests.pipeline.recordings.logs import closed, opened

pytestmark = pytest.mark.integration

DISK_BYTES = 4 * 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 4 MB. Without the right to mount it, the test is skipped."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0700", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"MISSING: no file system may be mounted here: {error}")
    if mounted.returncode:
        pytest.skip(f"MISSING: no file system may be mounted here: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


class Shown:
    """What a recorder shows at its address."""

    def __init__(self, address: str) -> None:
        self.address = address

    def health(self) -> tuple[int, str]:
        """Return status and text of /healthz; status 0 if there is no answer."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/healthz", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def refused(self) -> bool:
        """Whether the store refuses, and an alarm says so."""
        status, text = self.health()
        return status == 503 and "recordings-store" in text and self.failures() > 0

    def works(self) -> bool:
        """Whether all is well."""
        return self.health()[0] == 200

    def failures(self) -> float:
        """Attempts to store that failed."""
        with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        counted = 'flexcapture_recorder_failures_total{where="recordings-store"}'
        return sum(float(line.split()[-1]) for line in lines if line.startswith(counted))


async def until(true: Callable[[], bool]) -> None:
    """Asks until it is so."""
    async with asyncio.timeout(SECONDS):
        while not await asyncio.to_thread(true):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.1)


@asynccontextmanager
async def shown_recorder(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Shown]]:
    """Yield a recorder, and access to its health and metrics."""
    address = f"127.0.0.1:{chosen(['http'], {}, [])['http']}"
    monkeypatch.setenv("FLEXCAPTURE_HTTP_LISTEN", address)
    async with recorder(settings, "recorder-0") as process:
        yield process, Shown(address)


async def send_all(media: Media) -> None:
    """Calls of 16 s that end."""
    await media.send([opened(sid) for sid in SIDS])
    for sid in SIDS:
        await media.send([*batches_of(sid, 0, 800), closed(sid)])


async def test_a_full_disk(settings_for, prefix, small_disk, monkeypatch):
    """A full disk raises an alarm. No recording is reported complete, and none is dropped, even if
    the recorder is killed meanwhile. Once there is space, every recording is completed."""
    settings = settings_for(prefix, recordings_url=small_disk.as_uri())
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(DISK_BYTES - 300_000))
    async with on_media(settings) as media:
        async with shown_recorder(settings, monkeypatch) as (process, shown):
            await send_all(media)
            await until(shown.refused)
            process.kill()
        async with shown_recorder(settings, monkeypatch) as (process, shown):
            await until(shown.refused)
            assert len(media.completed) < len(SIDS)
            ballast.unlink()
            await until(shown.works)
            await media.until_complete()
            process.send_signal(signal.SIGTERM)
            assert 0 == await asyncio.wait_for(process.wait(), SECONDS)
        await check_audio(media, SIDS, 800)


async def _restart(settings: Settings, partition: int, *more: str) -> tuple[int, str]:
    """Exit status and output of `flexcapture recordings restart`."""
    own = {
        "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "FLEXCAPTURE_TOPIC_PREFIX": settings.topic_prefix,
        "FLEXCAPTURE_RECORDINGS_URL": settings.recordings_url,
        "PYTHONPATH": str(ROOT),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", "recordings", "restart"),
        *("--partition", str(partition), *more),
        env=os.environ | own,
        cwd=settings.state_dir.parent,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


def _delete_files(directory: Path) -> None:
    for path in directory.rglob("*"):
        if path.is_file():
            path.unlink()


async def test_files_that_are_gone_have_a_way_out(settings_for, prefix, monkeypatch):
    """The partition stops, and the error says what to do. The command lists the losses, and does
    nothing without confirmation. Then the running recorder makes the recordings again, complete."""
    settings = settings_for(prefix)
    store = Path(settings.recordings_url.removeprefix("file://"))
    number = partition_of(SIDS[0].encode(), CALL_PARTITIONS)
    async with on_media(settings) as media:
        async with recorder(settings, "recorder-0") as process:
            await media.send([opened(sid) for sid in SIDS])
            for sid in SIDS:
                await media.send(batches_of(sid, 0, 700))
            await media.until(lambda: set(SIDS) <= media.started.keys())
            await until(lambda: len(list(store.glob("segments/*"))) >= len(SIDS))
            process.send_signal(signal.SIGTERM)
            assert 0 == await asyncio.wait_for(process.wait(), SECONDS)
        _delete_files(store)
        async with shown_recorder(settings, monkeypatch) as (process, shown):
            for sid in SIDS:
                await media.send([*batches_of(sid, 700, 1200), closed(sid)])
            await until(lambda: f"--partition {number}" in shown.health()[1])
            status, text = await _restart(settings, number)
            assert 1 == status
            assert "nothing is lost" in text
            assert 503 == (await asyncio.to_thread(shown.health))[0]
            for partition in {partition_of(sid.encode(), CALL_PARTITIONS) for sid in SIDS}:
                assert 0 == (await _restart(settings, partition, "--yes"))[0]
            await media.until_complete()
            await until(shown.works)
            process.send_signal(signal.SIGTERM)
            assert 0 == await asyncio.wait_for(process.wait(), SECONDS)
        assert "lacks a file" in (await _restart(settings, number))[1]
        await check_audio(media, SIDS, 1200)


async def test_a_bucket_that_refuses(settings_for, prefix, monkeypatch):
    """The same; and a recorder that is stopped meanwhile ends at once."""
    bucket = f"bucket-{prefix.strip('.')}"  # not there yet
    settings = settings_for(prefix, recordings_url=f"s3://{bucket}/here")
    with running_bucket() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        client = boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"])
        async with on_media(settings) as media:
            async with shown_recorder(settings, monkeypatch) as (process, shown):
                await send_all(media)
                await until(shown.refused)
                process.send_signal(signal.SIGTERM)
                assert 0 == await asyncio.wait_for(process.wait(), SECONDS)
            async with shown_recorder(settings, monkeypatch) as (process, shown):
                await until(shown.refused)
                client.create_bucket(Bucket=bucket)
                await until(shown.works)
                await media.until_complete()
                process.send_signal(signal.SIGTERM)
                assert 0 == await asyncio.wait_for(process.wait(), SECONDS)
            await check_audio(media, SIDS, 800)


async def test_paused_for_longer_than_its_session(settings_for, prefix):
    """A recorder that SIGSTOP pauses loses its partitions to another one, and does no harm when it
    continues: each recording is reported once, and its bytes follow the contract."""
    settings = settings_for(prefix)
    async with on_media(settings) as media, recorder(settings, "recorder-0") as first:
        await media.send([opened(sid) for sid in SIDS])
        for sid in SIDS:
            await media.send(batches_of(sid, 0, 600))
        await media.until(lambda: set(SIDS) <= media.started.keys())
        first.send_signal(signal.SIGSTOP)
        async with recorder(settings, "recorder-1"):
            for sid in SIDS:
                await media.send(batches_of(sid, 600, 900))
            await media.send([closed(sid) for sid in SIDS[:4]])
            await media.until_complete(SIDS[:4])
            first.send_signal(signal.SIGCONT)
            await media.send([*batches_of(SIDS[4], 900, 1_200), closed(SIDS[4])])
            await media.until_complete()
            await check_audio(media, SIDS[:4], 900)
            await check_audio(media, SIDS[4:], 1_200)
