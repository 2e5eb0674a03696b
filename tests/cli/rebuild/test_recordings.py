"""Recordings are made again from the log, or compared. With Kafka:
tests/integration/test_rebuild_recordings.py."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cli.rebuild import recordings
from cli.rebuild.recordings import Chosen, NothingToRead, RecordingsReport, rebuild_recordings
from pipeline.recordings import assembler
from pipeline.runtime.settings import Settings
from pipeline.store.audio import AudioStore
from schemas.records import GatewayStarted
from schemas.topics import MEDIA, STREAM_EVENTS
from tests.cli.logs import MemoryLog
from tests.pipeline.recordings.closing import decision
from tests.pipeline.recordings.logs import EPOCH, GATEWAY, T0, closed, opened
from tests.pipeline.recordings.supplemented import HOUR, batch

SETTINGS = Settings(topic_prefix="p.")
PARTITION = 3


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembler, "SEGMENT_BYTES", 1_000)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> MemoryLog:
    """The topic `media` with two recordings on a partition, each of five batches; the second one is
    not complete."""
    made = MemoryLog()
    for sid in ("MZ1", "MZ2"):
        add(made, opened(sid), *(batch(n, sid=sid) for n in range(1, 6)))
    add(made, closed("MZ1"))
    monkeypatch.setattr(recordings, "Log", made)
    return made


def add(log: MemoryLog, *records: Any) -> None:
    """Append records to the partition, 100 ms apart."""
    for record in records:
        at = T0 + 100 * len(log.topics.get(MEDIA.name, ()))
        key = getattr(record, "task_sid", "").encode() or None
        log.add(MEDIA, at, record, key, partition=PARTITION)


def rebuild(
    directory: Path, asked: Chosen | None = None, compare: Path | None = None
) -> tuple[RecordingsReport, list[str]]:
    """Make the recordings. Return the report, and the names of the files that are left."""
    target = AudioStore.from_url(directory.as_uri())
    kept = None if compare is None else AudioStore.from_url(compare.as_uri())
    report = asyncio.run(
        rebuild_recordings(SETTINGS, asked or Chosen(), target, lambda *_: None, kept)
    )
    files = [p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file()]
    return report, sorted(files)


def test_complete_recordings_are_made(log: MemoryLog, tmp_path: Path) -> None:
    """Recordings without an end are named, and none of their files remain."""
    report, files = rebuild(tmp_path / "made")
    assert (1, 1, []) == (report.made, len(report.running), report.left_out)
    assert "MZ2 of task WT1" in report.running[0]
    assert [".json", ".wav"] == [name[name.index(".") :] for name in files]
    assert not log.is_open


def test_the_same_log_gives_the_same_bytes(log: MemoryLog, tmp_path: Path) -> None:
    """A comparison leaves no file behind."""
    _, names = rebuild(tmp_path / "first")
    before = [(tmp_path / "first" / name).read_bytes() for name in names]
    rebuild(tmp_path / "again")
    assert before == [(tmp_path / "again" / name).read_bytes() for name in names]
    report, files = rebuild(tmp_path / "made", compare=tmp_path / "first")
    assert (1, [], []) == (report.same, report.differences, files)


@pytest.mark.parametrize(
    ("suffix", "change", "words"),
    [
        (".wav", lambda data: data[:-1] + b"x", "audio differs"),
        (".json", lambda data: data + b" ", "manifest differs"),
        (".wav", None, "audio is missing"),
        (".json", None, "manifest is missing"),
    ],
)
def test_a_difference_is_named(
    log: MemoryLog, tmp_path: Path, suffix: str, change: Any, words: str
) -> None:
    """In any byte."""
    _, names = rebuild(tmp_path / "kept")
    [path] = [tmp_path / "kept" / name for name in names if name.endswith(suffix)]
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes()))
    report, _ = rebuild(tmp_path / "made", compare=tmp_path / "kept")
    [difference] = report.differences
    assert words in difference
    assert 0 == report.same


def test_a_recording_that_began_before_is_left_out(log: MemoryLog, tmp_path: Path) -> None:
    """Its beginning was not read, so it would not be the same. So is one of which only the close
    was read, and one that began with a batch."""
    report, files = rebuild(tmp_path / "made", Chosen(since=T0 + 200))
    assert (0, []) == (report.made, files)
    assert {"MZ1"} == {line.split()[0] for line in report.left_out}
    assert {"MZ2"} == {line.split()[0] for line in report.running}
    report, _ = rebuild(tmp_path / "made", Chosen(since=T0 + 1_200))
    assert ["MZ1 of task WT1"] == report.left_out


def test_a_period_ends_before_its_limit(log: MemoryLog, tmp_path: Path) -> None:
    """A recording that ends after it is not made."""
    report, files = rebuild(tmp_path / "made", Chosen(until=T0 + 1_200))
    assert (0, 2, []) == (report.made, len(report.running), files)


def test_only_one_call_is_made(log: MemoryLog, tmp_path: Path) -> None:
    """From its partition; the records of others only advance the time: recordings end by it."""
    wrong = Chosen(task_sid="WT" + "0" * 32)
    report, _ = rebuild(tmp_path / "made", wrong)
    assert RecordingsReport() == report
    numbers = {span.partition.partition for span in log.asked}
    assert 1 == len(numbers)


def test_the_gateway_s_end_ends_a_recording(log: MemoryLog, tmp_path: Path) -> None:
    """As in the live recorder."""
    add(log, GatewayStarted(GATEWAY, EPOCH + 1, T0 + 9_000))
    report, _ = rebuild(tmp_path / "made")
    assert (2, []) == (report.made, report.running)


def test_decisions_before_the_period_are_known(log: MemoryLog, tmp_path: Path) -> None:
    """Else audio that must not be heard would be in the recordings. They are read from
    `stream.events`, up to the first record of the period."""
    key = b"WT1"
    log.add(STREAM_EVENTS, T0 + 50, decision(0, "stop"), key, partition=PARTITION)
    log.add(STREAM_EVENTS, T0 + 50, b"no record", key, partition=PARTITION)
    log.add(STREAM_EVENTS, T0 + HOUR, decision(1, "record"), key, partition=PARTITION)
    rebuild(tmp_path / "made")
    assert STREAM_EVENTS.name not in {s.partition.topic[2:] for s in log.asked}
    rebuild(tmp_path / "made", Chosen(since=T0 + 100))
    [span] = [s for s in log.asked if s.partition.topic == "p.stream.events"]
    assert (PARTITION, 0, 2) == (span.partition.partition, span.start, span.end)


def test_a_missing_topic_is_an_error(log: MemoryLog, tmp_path: Path) -> None:
    """There is nothing to read."""
    log.topics.clear()
    with pytest.raises(NothingToRead, match=r"p\.media"):
        rebuild(tmp_path / "made")
    assert not log.is_open
