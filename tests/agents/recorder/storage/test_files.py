"""Recordings that grow in a directory: killed anywhere, on a full disk, a day long."""

import errno
import gc
import hashlib
import os
import tracemalloc
from pathlib import Path
from typing import Any

import orjson
import pytest

from agents.recorder.effects import Effects
from agents.recorder.storage.files import FileKeeping
from agents.recorder.storage.storage import drop_left_overs
from agents.recorder.work import Work
from pipeline.media.regular import RegularReader
from pipeline.media.wav import HEADER_SIZE
from pipeline.recordings import assembler
from pipeline.recordings.effects import RecordingEnded, SegmentCut
from pipeline.recordings.interleave import BrokenSegments
from pipeline.recordings.keys import audio_key, draft_key, entries_key, manifest_key
from pipeline.recordings.partition import PartitionFold
from pipeline.runtime.log_clock import machine_clock
from pipeline.runtime.settings import Settings
from pipeline.runtime.telemetry import Health
from pipeline.store.audio import AudioStore, StoreError
from pipeline.store.files import Directory
from schemas.codec import decode, encode
from schemas.records import RecordingCompleted
from tests.agents.recorder.parts import FRAMES, FakeMessage, FakeProducer, of_kind, story
from tests.pipeline.recordings.logs import (
    T0,
    Frame,
    batch_of,
    by_the_contract,
    closed,
    opened,
    opened_recording,
)

NAMES = [key(opened_recording("MZ1")) for key in (audio_key, manifest_key)]


class Killed(Exception):
    """The process ended here."""


def keeping_in(path: Path) -> FileKeeping:
    """That of a recorder that has just started."""
    store = AudioStore.from_url(path.as_uri())
    assert store.files is not None
    return FileKeeping(store, store.files)


def stored(path: Path) -> dict[str, bytes]:
    """Return the content of the directory."""
    return {
        str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }


@pytest.fixture
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the files of a recording without any failures."""
    return tmp_path_factory.mktemp("undisturbed")


async def recorded(path: Path) -> RecordingCompleted:
    """The story, at once."""
    keeping, work = keeping_in(path), story()
    await keeping.store(of_kind(work, SegmentCut))
    (ended,) = of_kind(work, RecordingEnded)
    done = await keeping.complete(ended, 3)
    await keeping.drop(ended)
    return done


async def test_recorders_that_are_killed_at_every_segment(tmp_path, undisturbed):
    """Each recorder continues at the position of the one before, or slightly earlier: the bytes are
    the same, and no other files remain."""
    done = await recorded(undisturbed)
    work = story()
    cuts: list[SegmentCut] = of_kind(work, SegmentCut)
    for number in range(len(cuts)):
        keeping = keeping_in(tmp_path)
        await keeping.store(cuts[max(0, number - 1) : number + 1])
        await keeping.sync()
    (ended,) = of_kind(work, RecordingEnded)
    keeping = keeping_in(tmp_path)
    assert done == await keeping.complete(ended, 3)
    await keeping.drop(ended)
    assert sorted(NAMES) == sorted(stored(tmp_path))
    assert stored(undisturbed) == stored(tmp_path)


@pytest.mark.parametrize("named", [0, 1, 2])
async def test_a_recorder_that_is_killed_while_it_completes(
    tmp_path, undisturbed, monkeypatch, named
):
    """Killed before, between or after the renames of the two files: the next recorder reports and
    stores the same."""
    done = await recorded(undisturbed)
    work = story()
    (ended,) = of_kind(work, RecordingEnded)
    await keeping_in(tmp_path).store(of_kind(work, SegmentCut))
    rename = Directory.rename

    def killed(self: Directory, synced: Any) -> None:
        if named:
            rename(self, synced[:named])
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "rename", killed)
        with pytest.raises(Killed):
            await keeping_in(tmp_path).complete(ended, 3)
    keeping = keeping_in(tmp_path)
    await keeping.store(of_kind(work, SegmentCut)[-1:])  # its checkpoint may not have been there
    assert done == await keeping.complete(ended, 3)
    await keeping.drop(ended)
    assert stored(undisturbed) == stored(tmp_path)


async def test_completed_by_another_recorder(tmp_path):
    """A recording that another recorder completed is reported from its manifest and not begun
    again."""
    done = await recorded(tmp_path)
    before, work = stored(tmp_path), story()
    keeping = keeping_in(tmp_path)
    await keeping.store(of_kind(work, SegmentCut)[1:])
    (ended,) = of_kind(work, RecordingEnded)
    assert done == await keeping.complete(ended, 3)
    assert before == stored(tmp_path)


@pytest.mark.parametrize("key", [draft_key, entries_key])
async def test_a_draft_that_is_lost_is_no_silence(tmp_path, key):
    """If its draft is lost, a recording is not continued from its middle: it is not completed, and
    the loss is reported."""
    work = story()
    cuts: list[SegmentCut] = of_kind(work, SegmentCut)
    (ended,) = of_kind(work, RecordingEnded)
    await keeping_in(tmp_path).store(cuts[:1])
    (tmp_path / key(opened_recording("MZ1"))).unlink()
    with pytest.raises(FileNotFoundError):
        await keeping_in(tmp_path).store(cuts[1:])
    with pytest.raises((FileNotFoundError, BrokenSegments)):
        await keeping_in(tmp_path).complete(ended, 3)
    assert not set(NAMES) & stored(tmp_path).keys()


async def test_left_over_drafts(tmp_path):
    """Those of complete recordings go."""
    work = story()
    (ended,) = of_kind(work, RecordingEnded)
    await keeping_in(tmp_path).store(of_kind(work, SegmentCut))
    store = AudioStore.from_url(tmp_path.as_uri())
    assert 2 == await drop_left_overs(store, [ended.checkpoint])
    assert {} == stored(tmp_path)


async def test_a_full_disk_is_an_alarm_and_nothing_is_dropped(tmp_path, undisturbed, monkeypatch):
    """Each write fails twice, then there is room again: unhealthy meanwhile, and the same bytes."""
    done = await recorded(undisturbed)
    health, producer, alarms, tries = Health(), FakeProducer(), set(), 0
    write = os.pwrite

    def full(file: int, data: memoryview, position: int) -> int:
        nonlocal tries
        tries += 1
        alarms.update(health.reasons)
        if tries % 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data[:300], position)  # and then not for all of it

    store = AudioStore.from_url(tmp_path.as_uri())
    effects = Effects(Settings(), health, store, producer, machine_clock)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda f, d, p: full(f, d, p) if tries < 30 else write(f, d, p))
        await effects.carry_out(story())
        await effects.settle()
    assert {"recordings-store"} == alarms
    assert {} == health.reasons
    assert done == producer.sent[-2][1]
    assert stored(undisturbed) == stored(tmp_path)


async def test_a_disk_that_cannot_sync(tmp_path, monkeypatch):
    """After a failed sync no checkpoint is written and no retry is made: a later success would
    prove nothing."""
    producer, asked = FakeProducer(), []
    effects = Effects(
        Settings(), Health(), AudioStore.from_url(tmp_path.as_uri()), producer, machine_clock
    )
    await effects.carry_out([work for work in story() if isinstance(work.effect, SegmentCut)])

    def failing(file: int) -> None:
        asked.append(file)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", failing)
    with pytest.raises(StoreError, match="Input/output"):
        await effects.settle()
    assert [] == producer.sent
    assert 1 <= len(asked) <= 2  # two files, and no second time


async def test_checkpoints_wait_until_all_is_safe(tmp_path):
    """One for each media stream, the last, regardless of the number of segments; none twice, none
    of a complete recording, none of a media stream that another process has now."""
    producer = FakeProducer()
    effects = Effects(
        Settings(), Health(), AudioStore.from_url(tmp_path.as_uri()), producer, machine_clock
    )
    work = story()
    cuts = [item for item in work if isinstance(item.effect, SegmentCut)]
    await effects.carry_out(cuts)
    assert [] == producer.sent
    await effects.settle()
    await effects.settle()
    assert [cuts[-1].effect.checkpoint] == [record for _, record in producer.sent]
    await effects.carry_out(work)
    count = len(producer.sent)
    await effects.settle()
    await effects.carry_out(cuts[:1])
    effects.forget()
    await effects.settle()
    assert count == len(producer.sent)


async def test_a_long_call_takes_no_more_memory_than_a_short_one(tmp_path, monkeypatch):
    """An hour of both tracks, 58 MB, with a hole a minute: at the most a few segments and a piece
    of a file at once; the checkpoint does not grow but for the holes."""
    monkeypatch.setattr(assembler, "SEGMENT_BYTES", 160_000)
    keeping, fold, reader = keeping_in(tmp_path), PartitionFold(), RegularReader()
    fold.handle(opened("MZ1"), 0, T0)
    sizes, samples = [], 160 * 25
    gc.collect()
    gc.freeze()  # what other tests left makes the collector look for cycles more seldom
    tracemalloc.start()
    for number in range(7_200):
        if not number % 120:
            continue
        first = number * 500
        frames = [
            Frame(track, first + 20 * n, bytes([number % 251]) * 160)
            for track in ("inbound", "outbound")
            for n in range(25)
        ]
        data = encode(batch_of("MZ1", number, frames))
        regular = reader.read(data)
        assert regular is not None
        effects = fold.handle_regular(regular, number, T0)
        effects = fold.handle(decode(data), number, T0) if effects is None else effects
        if effects:
            await keeping.store(of_kind([Work(e, FakeMessage()) for e in effects], SegmentCut))
            sizes.append(len(encode(effects[-1].checkpoint)))
    (ended,) = fold.handle(closed("MZ1"), 7_200, T0)
    done = await keeping.complete(ended, 3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    gc.unfreeze()
    assert HEADER_SIZE + 2 * 7_200 * samples == done.audio_bytes
    assert peak < 5_000_000
    assert max(sizes) < 60 * 30 + 500
    manifest = orjson.loads((tmp_path / done.manifest).read_bytes())
    assert ended.stored + 1 == len(manifest["segments"])
    assert hashlib.sha256((tmp_path / done.audio).read_bytes()).hexdigest() == done.audio_sha256


async def test_the_audio_is_the_contract_s(tmp_path):
    """Sample by sample."""
    done = await recorded(tmp_path)
    assert by_the_contract(FRAMES).samples == stored(tmp_path)[done.audio][HEADER_SIZE:]
