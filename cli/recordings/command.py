"""Print the result of `flexcapture recordings restart`."""

import asyncio
from collections.abc import Sequence

from aiokafka.errors import KafkaError

from cli.messages import print_error
from cli.recordings.restart import Broken, NoCheckpoints, find_broken, restart
from pipeline.error_text import error_text
from pipeline.runtime.settings import Settings
from pipeline.store.audio import AudioStore, StoreError
from pipeline.times import rfc3339


def run(settings: Settings, url: str, partition: int, *, yes: bool) -> int:
    """Print the partition's unfinished recordings that lack files in the store `url`, and the
    losses; with `yes`, have them recorded again. Return the exit status: 0; 1 if Kafka or the store
    cannot be used, or nothing was done because `yes` is missing."""
    try:
        return asyncio.run(_run(settings, AudioStore.from_url(url), partition, yes=yes))
    except (KafkaError, StoreError, NoCheckpoints, TimeoutError, OSError) as error:
        return print_error(error_text(error))


async def _run(settings: Settings, store: AudioStore, partition: int, *, yes: bool) -> int:
    broken = await find_broken(settings, store, partition)
    if not broken:
        print(f"No unfinished recording of partition {partition} lacks a file. Nothing was done.")
        return 0
    _print(broken)
    if not yes:
        print("Nothing was done. With --yes they are recorded again.")
        return 1
    await restart(settings, store, partition, broken)
    print("They are being recorded again: the recorder resumes the partition within 30 s.")
    return 0


def _print(broken: Sequence[Broken]) -> None:
    for each in broken:
        c = each.checkpoint
        print(f"{each.inum}  {c.stream_sid}  {c.task_sid}  began {rfc3339(c.started_at)}")
        if each.frames_lost:
            print(
                f"    {each.frames_lost} frames are lost: their records have expired on the topic "
                "media. The manifest will count them as files-gone."
            )
        else:
            print("    nothing is lost: the topic media still has all of its records.")
