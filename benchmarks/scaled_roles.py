"""The roles on Kafka that are measured as they grow: backlog, settings and progress of each."""

import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.calls import KeyAndValue, cti_events, media
from benchmarks.databases import postgres
from benchmarks.local import Local, RunningPipeline
from benchmarks.versions import call_versions
from pipeline.runtime.settings import Role
from schemas.codec import encode
from schemas.topics import CALLS, CTI_EVENTS, MEDIA, Topic
from simulator.people import MONITORED_LIST

EVENTS, QUICK_EVENTS = 40_000, 5_000
OF_CONSOLIDATOR = 0.25
"""The share of the versions of calls that consolidators get: each contact is saved in a
database."""
MEDIA_CALLS, QUICK_MEDIA_CALLS = 240, 48
MEDIA_S, QUICK_MEDIA_S = 240.0, 60.0

_READ = "flexcapture_recorder_records_total"
_COMPLETE = "flexcapture_recorder_recordings_completed_total"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledRole:
    """A role that reads `topic`. `records`: makes its backlog; `settings`: of the process with that
    number in the run with that prefix; `handled`: the records that a process has handled;
    `is_over`: whether work remains once all records are handled; `clean`: removes the files of the
    run with that prefix; `needs_list`: the monitored list must be on Kafka."""

    role: Role
    topic: Topic
    records: Callable[[], Iterable[KeyAndValue]]
    settings: Callable[[str, int], dict[str, str]]
    handled: Callable[[RunningPipeline], float]
    is_over: Callable[[Sequence[RunningPipeline]], bool] = lambda _: True
    clean: Callable[[str], None] = lambda _: None
    needs_list: bool = False

    def progress(self, running: Sequence[RunningPipeline], size: int) -> float:
        """Return the records that all processes have handled; `size` only when all is over."""
        handled = sum(map(self.handled, running))
        return handled if self.is_over(running) else min(handled, size - 1)


@contextmanager
def scaled_roles(here: Local, quick: bool) -> Iterator[tuple[ScaledRole, ...]]:
    """Yield the roles in the order of the pipeline. A database server runs during the block."""
    events, now = QUICK_EVENTS if quick else EVENTS, time.time_ns() // 1_000_000
    print(f"  making {events:,} events", file=sys.stderr, flush=True)
    backlog, versions = cti_events(events, now), call_versions(events, now)
    few = versions[: round(OF_CONSOLIDATOR * len(versions))]
    list_file = here.directory / "monitored-agents.txt"
    list_file.write_text(MONITORED_LIST)
    with postgres() as server:

        def plain(prefix: str, name: str, **more: object) -> dict[str, str]:
            return here.plain(
                prefix, instance=name, state_dir=here.directory / prefix / name, **more
            )

        def consolidator(prefix: str, number: int) -> dict[str, str]:
            database = prefix.translate(str.maketrans("-.", "__"))
            url = server.database(database)
            return plain(prefix, f"consolidator-{number}", database_url=url)

        yield (
            ScaledRole(
                role=Role.TRACKER,
                topic=CTI_EVENTS,
                records=lambda: backlog,
                settings=lambda prefix, number: plain(prefix, f"tracker-{number}"),
                handled=_events_of(CTI_EVENTS),
            ),
            ScaledRole(
                role=Role.STREAM_MANAGER,
                topic=CALLS,
                records=lambda: versions,
                settings=lambda prefix, number: plain(
                    prefix, f"stream-manager-{number}", monitored_agents=list_file
                ),
                handled=_events_of(CALLS),
                needs_list=True,
            ),
            _recorder(here, quick),
            ScaledRole(
                role=Role.CONSOLIDATOR,
                topic=CALLS,
                records=lambda: few,
                settings=consolidator,
                handled=_events_of(CALLS),
                needs_list=True,
            ),
        )


def _recorder(here: Local, quick: bool) -> ScaledRole:
    calls = QUICK_MEDIA_CALLS if quick else MEDIA_CALLS
    seconds = QUICK_MEDIA_S if quick else MEDIA_S

    def records() -> Iterator[KeyAndValue]:
        for record in media(calls, seconds, time.time_ns() // 1_000_000):
            yield record.task_sid.encode(), encode(record)

    def is_over(running: Sequence[RunningPipeline]) -> bool:
        return sum(each.counted(_COMPLETE) for each in running) >= calls

    return ScaledRole(
        role=Role.RECORDER,
        topic=MEDIA,
        records=records,
        settings=lambda prefix, number: here.plain(
            prefix,
            instance=f"recorder-{number}",
            recordings_url=f"file://{here.directory}/{prefix}recordings",
        ),
        handled=lambda recorder: recorder.counted(_READ),
        is_over=is_over,
        clean=lambda prefix: shutil.rmtree(here.directory / f"{prefix}recordings"),
    )


def _events_of(topic: Topic) -> Callable[[RunningPipeline], float]:
    return lambda process: process.counted("flexcapture_events_total", topic=topic.name)
