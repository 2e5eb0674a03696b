"""`flexcapture rebuild recordings` on the real Kafka: the same bytes, beside a running recorder."""

import asyncio
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiokafka import TopicPartition

from cli.rebuild.recordings import Chosen
from cli.rebuild.recordings_command import rebuild
from pipeline.runtime import kafka as clients
from pipeline.runtime.settings import Settings
from schemas.topics import ALL, CLOCK, RECORDER_CHECKPOINTS
from tests.buckets import BUCKET, running_bucket
from tests.integration.recorder_process import SIDS, Media, batches_of, on_media, recorder
from tests.pipeline.recordings.logs import EPOCH, closed, dropped, opened

pytestmark = pytest.mark.integration

TASK, OTHER = (f"WT{number:032x}" for number in (1, 2))


def tree(directory: Path) -> dict[str, bytes]:
    """Return every file below it, except unfinished ones."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    named = {str(path.relative_to(directory)): path.read_bytes() for path in files}
    return {k: v for k, v in named.items() if not k.startswith(("segments/", ".partial/"))}


def names(directory: Path) -> list[str]:
    """What lies in it."""
    return [path.name for path in directory.iterdir()]


async def recorded(media: Media) -> None:
    """Four recordings that end, each otherwise, and one that runs."""
    await media.send([opened(sid) for sid in SIDS])
    for sid in SIDS:
        await media.send(batches_of(sid, 0, 700))
    await media.send([dropped(batches_of(SIDS[1], 700, 800))])
    await media.send([*batches_of(SIDS[1], 800, 900), closed(SIDS[0]), closed(SIDS[1])])
    await media.send([closed(SIDS[2]), closed(SIDS[3])])
    await media.until_complete(SIDS[:4])


async def offsets(settings: Settings) -> dict[TopicPartition, int]:
    """How far each topic goes, but for those on which the recorder writes how far it is, and on
    which it measures the log's clock."""
    consumer = clients.consumer(settings)
    await consumer.start()
    try:
        topics = [topic for topic in ALL if topic not in (RECORDER_CHECKPOINTS, CLOCK)]
        parts = [
            TopicPartition(settings.prefixed(topic.name), number)
            for topic in topics
            for number in range(topic.partitions)
        ]
        return dict(await consumer.end_offsets(parts))
    finally:
        await consumer.stop()


def damage(directory: Path) -> None:
    """Changes the last sample of a recording."""
    wav = next(path for path in directory.rglob("*.wav") if "segments" not in path.parts)
    wav.write_bytes(wav.read_bytes()[:-1] + b"\0")


async def test_the_same_recordings_again(settings_for, prefix, tmp_path, monkeypatch, capsys):
    """The rebuild works to a directory and to a bucket, for all calls and for one. Recordings that
    are not complete in the log are reported and left out, a changed recording is found, and no
    topic gets a record."""
    settings = settings_for(prefix)
    kept = Path(urlsplit(settings.recordings_url).path)

    async def run(*arguments, status: int = 0) -> str:
        assert status == await asyncio.to_thread(rebuild, settings, *arguments)
        return capsys.readouterr().out

    async with on_media(settings) as media, recorder(settings, "recorder-0"):
        await recorded(media)
        before, live = await offsets(settings), tree(kept)
        assert 8 == len(live)
        again = tmp_path / "again"
        output = await run(Chosen(), again.as_uri(), None)
        assert "4 recordings were made; 1 do not end." in output
        assert SIDS[4] in output
        assert live == tree(again)
        assert {key.partition("/")[0] for key in live} == set(names(again))
        assert "4 recordings are the same, 0 are not" in await run(Chosen(), None, kept.as_uri())
        late = tmp_path / "late"
        output = await run(Chosen(since=int(time.time() * 1000) + 1), late.as_uri(), None)
        assert output.startswith("0 recordings were made")
        assert {} == tree(late)
        with running_bucket() as environment:
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            await run(Chosen(), f"s3://{BUCKET}/again", None)
            assert "4 recordings are the same" in await run(Chosen(), None, f"s3://{BUCKET}/again")
        damage(kept)
        output = await run(Chosen(), None, kept.as_uri(), status=1)
        assert "its audio differs in the recordings store" in output
        assert before == await offsets(settings)
        await media.gateway_started(EPOCH + 1)
        await media.until_complete()


async def test_what_begins_before_the_log_that_is_read(settings_for, prefix, tmp_path, capsys):
    """Is left out, and not made wrong; what begins within it is made."""
    settings = settings_for(prefix)
    async with on_media(settings) as media:
        await media.send([opened(SIDS[0]), *batches_of(SIDS[0], 0, 100)])
        await media.send(batches_of(SIDS[0], 100, 200))
        since = int(time.time() * 1000) + 60_000
        await media.send([closed(SIDS[0])], at=since)
        one = [opened(SIDS[1]), *batches_of(SIDS[1], 0, 100), closed(SIDS[1])]
        await media.send(one, at=since)
        target = tmp_path / "again"
        assert 0 == await asyncio.to_thread(
            rebuild, settings, Chosen(since=since), target.as_uri(), None
        )
        output = capsys.readouterr().out
        assert "1 recordings were made; 1 begin too early." in output
        assert SIDS[0] in output
        assert 2 == len(tree(target))


async def test_one_call_up_to_a_time(settings_for, prefix, tmp_path, capsys):
    """Other calls are left alone; recordings that end later are reported and left out."""
    settings = settings_for(prefix)
    begins_at = int(time.time() * 1000)
    async with on_media(settings) as media:
        for number, (task, sids) in enumerate(((TASK, SIDS[:2]), (OTHER, SIDS[2:3]))):
            for later, sid in enumerate(sids):
                records = [opened(sid), *batches_of(sid, 0, 700)]
                mine = [replace(each, task_sid=task) for each in (*records, closed(sid))]
                await media.send(mine[:-1], at=begins_at + number, key=task)
                await media.send(mine[-1:], at=begins_at + 1_000 + 60_000 * later, key=task)
        asked = Chosen(since=begins_at, until=begins_at + 30_000, task_sid=TASK)
        target = tmp_path / "again"
        assert 0 == await asyncio.to_thread(rebuild, settings, asked, target.as_uri(), None)
    output = capsys.readouterr().out
    assert "1 recordings were made; 1 do not end." in output
    assert SIDS[1] in output
    assert SIDS[2] not in output
    assert 2 == len(tree(target))
    assert {"segments", ".partial"}.isdisjoint(names(target))


async def test_killed_in_the_middle(settings_for, prefix, tmp_path, capsys):
    """SIGKILL while it writes: run again it makes the same, and leaves nothing over."""
    settings = settings_for(prefix)
    complete, again = tmp_path / "complete", tmp_path / "again"
    async with on_media(settings) as media:
        for sid in SIDS:
            await media.send([opened(sid), *batches_of(sid, 0, 10_000), closed(sid)])
        process = await rebuilding(settings, again)
        while not list(again.rglob("*.wav")):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.002)
        process.kill()
        assert -signal.SIGKILL == await process.wait()
        assert len(SIDS) > len(list(again.rglob("*.json")))
        for target in (again, complete):
            assert 0 == await asyncio.to_thread(rebuild, settings, Chosen(), target.as_uri(), None)
            assert "5 recordings were made." in capsys.readouterr().out
    assert tree(complete) == tree(again)
    assert sorted(names(complete)) == sorted(names(again))


async def rebuilding(settings: Settings, target: Path) -> asyncio.subprocess.Process:
    """The command as a process of its own."""
    own = {
        "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "FLEXCAPTURE_TOPIC_PREFIX": settings.topic_prefix,
    }
    command = [sys.executable, "-m", "cli.main", "rebuild", "recordings"]
    return await asyncio.create_subprocess_exec(
        *command, "--from", "beginning", "--to", str(target), env=os.environ | own
    )


def test_no_log(settings_for, prefix, tmp_path, capsys):
    """A missing topic `media` is reported."""
    assert 1 == rebuild(settings_for(prefix), Chosen(), tmp_path.as_uri(), None)
    assert "there is no topic" in capsys.readouterr().err
