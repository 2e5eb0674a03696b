"""Print the result of `flexcapture rebuild recordings`."""

import asyncio
import tempfile
from pathlib import Path

from aiokafka.errors import KafkaError

from cli.messages import print_error
from cli.rebuild.arguments import print_list
from cli.rebuild.recordings import Chosen, NothingToRead, RecordingsReport, rebuild_recordings
from pipeline.error_text import error_text
from pipeline.runtime.log_reader import ProgressPrinter
from pipeline.runtime.settings import Settings
from pipeline.store.audio import AudioStore


def rebuild(settings: Settings, asked: Chosen, target: str | None, recordings: str | None) -> int:
    """Make recordings again in the store `target` (a URL), or if that is None, compare them with
    the store `recordings`. Return the exit status: 0; 1 if the log or the store cannot be used, or
    a comparison finds differences."""
    try:
        report = asyncio.run(_rebuilt(settings, asked, target, recordings))
    except (NothingToRead, KafkaError, OSError) as error:
        return print_error(error_text(error))
    print_list("differ from the recordings store", report.differences)
    print_list("not made: their beginning was not read or has expired", report.left_out)
    print_list("not made: their end was not read", report.running)
    print(summary(report, checked=target is None))
    return 1 if report.differences else 0


async def _rebuilt(
    settings: Settings, asked: Chosen, target: str | None, recordings: str | None
) -> RecordingsReport:
    progress = ProgressPrinter()
    if target is not None:
        return await rebuild_recordings(settings, asked, AudioStore.from_url(target), progress)
    assert recordings is not None
    kept = AudioStore.from_url(recordings)
    with tempfile.TemporaryDirectory(prefix="flexcapture-") as directory:
        made = AudioStore.from_url(Path(directory).as_uri())
        return await rebuild_recordings(settings, asked, made, progress, kept)


def summary(report: RecordingsReport, *, checked: bool) -> str:
    """Return the last line of the output."""
    text = f"{report.made} recordings were made"
    if checked:
        text = f"{report.same} recordings are the same, {len(report.differences)} are not"
    for what, lines in (
        ("begin too early", report.left_out),
        ("do not end", report.running),
    ):
        text += f"; {len(lines)} {what}" if lines else ""
    return f"{text}." + (" Nothing was written." if checked else "")
