"""`flexcapture bridge --replay-from`: bridge a period of the Kinesis stream once more."""

import asyncio
import re
import signal

from bridge.jobs import CLOCK_ERROR_MS, Replay, ReplayFailed, period_text
from bridge.kinesis_reader import Kinesis
from bridge.service import run_job
from bridge.transactions import written
from bridge.unavailable import KinesisUnavailable
from cli.messages import FAILED, OK, print_error, print_message, root_cause
from pipeline.kinesis.shard_ref import LIVE
from pipeline.runtime.kafka import ensure_topics
from pipeline.runtime.log_clock import log_clock, machine_clock
from pipeline.runtime.settings import Settings, SettingsError
from pipeline.runtime.telemetry import Health, set_up_logs
from pipeline.times import rfc3339
from schemas.topics import BRIDGE_CHECKPOINTS, CTI_EVENTS, DEAD_LETTERS

REPORT_EVERY_S = 5.0

_NAME = re.compile(r"[A-Za-z0-9._-]{1,80}")


def checkpoint_name(text: str) -> str:
    """Return a replay's name from the command line. Raise `ValueError` if it is not valid."""
    if text == LIVE or not _NAME.fullmatch(text):
        raise ValueError(
            f"{text!r} must be 1 to 80 letters, digits, '.', '_' and '-', and not {LIVE!r}"
        )
    return text


def replay(settings: Settings, begins_at: int, ends_at: int | None, name: str | None) -> int:
    """Bridge the records that Kinesis received from `begins_at` to `ends_at` (ms; None: until now)
    once more, and print the progress. `name`: the checkpoint name (None: made of the period).
    Return the exit status: 0 once all of them are on Kafka, 1 if the replay was stopped or cannot
    continue. It continues when it is run again under the same name."""
    if begins_at >= machine_clock() + CLOCK_ERROR_MS:
        raise _still_to_come(begins_at)
    made = f"replay-{begins_at}" + ("" if ends_at is None else f"-{ends_at}")
    job = Replay(name or made, begins_at, ends_at)
    set_up_logs("bridge", settings.instance or job.name, settings.log_level)
    try:
        is_done = asyncio.run(_replay(settings, job))
    except Exception as error:
        cause = root_cause(error)
        if not isinstance(cause, ReplayFailed | KinesisUnavailable):
            raise
        return print_error(f"replay {job.name}: {cause}")
    again = "" if is_done else f"; continue with --checkpoint-name {job.name}"
    events, dead_letters = written()
    print_message(
        f"replay {job.name}: {'done' if is_done else 'stopped'}, {_period(job)}: "
        f"{events:,} events and {dead_letters:,} dead letters written by this process{again}"
    )
    return OK if is_done else FAILED


def _still_to_come(begins_at: int) -> SettingsError:
    return SettingsError(f"--replay-from: {rfc3339(begins_at)} is in the future")


async def _replay(settings: Settings, job: Replay) -> bool:
    await _check(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    await ensure_topics(settings, [CTI_EVENTS, DEAD_LETTERS, BRIDGE_CHECKPOINTS])
    health = Health()
    async with log_clock(settings, health) as clock:
        await clock.settled(stop)
        if stop.is_set():
            return False
        if job.begins_at >= clock.now():
            raise _still_to_come(job.begins_at)
        async with asyncio.TaskGroup() as group:
            progress = group.create_task(_report_progress(job), name="progress")
            is_done = await run_job(settings, health, stop, job, clock)
            progress.cancel()
    return is_done


async def _check(settings: Settings) -> None:
    """Raise an error if the stream is absent. The live bridge would wait for it instead."""
    kinesis = Kinesis(settings)
    try:
        await kinesis.incarnation()
    finally:
        kinesis.close()


async def _report_progress(job: Replay) -> None:
    while True:
        await asyncio.sleep(REPORT_EVERY_S)
        events, dead_letters = written()
        print_message(
            f"replay {job.name}, {_period(job)}: {job.progress()}; "
            f"{events:,} events and {dead_letters:,} dead letters written"
        )


def _period(job: Replay) -> str:
    return "period not known yet" if job.found is None else period_text(job.found)
