"""`flexcapture rebuild recordings`, printed."""

import asyncio
import sys
import tempfile
from pathlib import Path

from aiokafka.errors import KafkaError

from cli.rebuild.output import told_list
from cli.rebuild.recordings import Asked, NothingToRead, Report, rebuild_recordings
from pipeline.runtime.log_reader import Told
from pipeline.runtime.settings import Settings
from pipeline.store.audio import AudioStore


def rebuild(settings: Settings, asked: Asked, target: str | None, recordings: str | None) -> int:
    """Makes recordings again in the store `target` (a URL), or, where that is None, compares what
    comes out with the store `recordings`. The exit status: 0; 1 where log or store cannot be used,
    or what was compared is not the same."""
    try:
        report = asyncio.run(_rebuilt(settings, asked, target, recordings))
    except (NothingToRead, KafkaError, OSError) as error:
        print(f"flexcapture: {error or type(error).__name__}", file=sys.stderr, flush=True)
        return 1
    told_list("differ from the recordings store", report.differences)
    told_list("not made, as they begin before what was read, or it has expired", report.left_out)
    told_list("not made, as they do not end within what was read", report.running)
    print(summary(report, checked=target is None))
    return 1 if report.differences else 0


async def _rebuilt(
    settings: Settings, asked: Asked, target: str | None, recordings: str | None
) -> Report:
    progress = Told()
    if target is not None:
        return await rebuild_recordings(settings, asked, AudioStore.from_url(target), progress)
    assert recordings is not None
    kept = AudioStore.from_url(recordings)
    with tempfile.TemporaryDirectory(prefix="flexcapture-") as directory:
        made = AudioStore.from_url(Path(directory).as_uri())
        return await rebuild_recordings(settings, asked, made, progress, kept)


def summary(report: Report, *, checked: bool) -> str:
    """The last line."""
    told = f"{report.made} recordings were made"
    if checked:
        told = f"{report.same} recordings are the same, {len(report.differences)} are not"
    for what, lines in (
        ("begin too early", report.left_out),
        ("do not end", report.running),
    ):
        told += f"; {len(lines)} {what}" if lines else ""
    return f"{told}." + (" Nothing was written." if checked else "")
