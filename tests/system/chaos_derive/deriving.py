"""Run `flexcapture derive` as a process, kill it, and read its output."""

import asyncio
import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from cli.derive.roles import ROLES, chosen, targets
from pipeline.runtime.log_reader import Log
from pipeline.runtime.settings import Settings
from schemas.codec import decode
from schemas.records import Call, RecordingDecided
from schemas.states import RecordingDecision
from schemas.topics import CALLS, STREAM_EVENTS

OUTBOUND = "outbound"


@dataclass(frozen=True, slots=True)
class Command:
    """`flexcapture derive` over the live topics of `settings`."""

    settings: Settings

    async def run(self, *arguments: str) -> tuple[int | None, str, float]:
        """Return exit status, output, and seconds."""
        began = time.monotonic()
        process = await self._start(arguments, asyncio.subprocess.PIPE)
        printed, _ = await process.communicate()
        return process.returncode, printed.decode(), time.monotonic() - began

    async def kill(self, *arguments: str, after: float) -> bool:
        """Run the command, and kill it after so many seconds. Return whether it was killed before
        its end."""
        process = await self._start(arguments, asyncio.subprocess.DEVNULL)
        try:
            await asyncio.wait_for(process.wait(), after)
        except TimeoutError:
            process.send_signal(signal.SIGKILL)
        return await process.wait() == -signal.SIGKILL

    async def _start(self, arguments: Sequence[str], output: int) -> asyncio.subprocess.Process:
        settings = {
            "FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS": str(self.settings.kafka_bootstrap_servers),
            "FLEXCAPTURE_TOPIC_PREFIX": self.settings.topic_prefix,
            "FLEXCAPTURE_NO_ENV_FILE": "1",
        }
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cli.main", "derive", *arguments,
            env={**os.environ, **settings}, stdout=output,
        )  # fmt: skip


async def digests(settings: Settings) -> dict[str, str]:
    """Return a digest of all records of each partition that was derived."""
    found: dict[str, str] = {}
    log = Log(settings, lambda *_: None)
    await log.start()
    try:
        for topic in targets(chosen(ROLES)):
            for span in await log.spans(topic):
                digest = hashlib.sha256()
                number = 0
                async for record in log.read_all([span]):
                    number = record.partition
                    digest.update(repr((record.key, record.value, record.timestamp)).encode())
                    found[f"{topic.name}-{number}"] = digest.hexdigest()
    finally:
        await log.stop()
    return found


async def outbound_calls(settings: Settings) -> dict[str, bool]:
    """Return the outbound calls of the live topics, each with whether a decision to record it was
    made."""
    directions: dict[str, str] = {}
    recorded: set[str] = set()
    log = Log(settings, lambda *_: None)
    await log.start()
    try:
        spans = [span for topic in (CALLS, STREAM_EVENTS) for span in await log.spans(topic)]
        async for record in log.read_all(spans):
            match None if record.value is None else decode(record.value):
                case Call() as call if call.direction:
                    directions[call.task_sid] = call.direction
                case RecordingDecided(decision=RecordingDecision.RECORD) as decided:
                    recorded.add(decided.task_sid)
    finally:
        await log.stop()
    return {sid: sid in recorded for sid, way in directions.items() if way == OUTBOUND}


async def killed(command: Command, prefix: str, times: int, whole_s: float, random: Random) -> int:
    """Kill a derivation `times` times, each time in the first fifth of its total duration.
    Return how often it was killed before its end."""
    done = 0
    for _ in range(times):
        after = random.uniform(0.05, 0.2) * whole_s + 1.5
        done += await command.kill("--to", prefix, after=after)
    return done


def compared(printed: str) -> Mapping[str, Any]:
    """Return the answer of `derive compare --json`."""
    found: Mapping[str, Any] = json.loads(printed)
    return found
