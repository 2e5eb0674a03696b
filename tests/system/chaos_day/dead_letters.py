"""Dead letters of late audio, as earlier versions wrote them, put back by the command."""

import asyncio
import subprocess
import sys
from dataclasses import dataclass

from pipeline.dead_letters import dead_letter
from pipeline.runtime.kafka import partition_of, producer
from pipeline.runtime.log_reader import Log
from schemas.codec import decode
from schemas.records import MediaBatch
from schemas.topics import CALL_PARTITIONS, DEAD_LETTERS, MEDIA
from tests.system.chaos_day.run import Day

LETTERS = 40


@dataclass(frozen=True, slots=True)
class _Found:
    partition: int
    offset: int
    at: int
    key: bytes
    value: bytes


async def retry_some(day: Day) -> None:
    """Write dead letters of batches that recordings have already, and put them back."""
    found = await _some_batches(day)
    sender = producer(day.settings)
    await sender.start()
    try:
        for each in found:
            value, headers = dead_letter(
                reason="late-media",
                detail="written by an earlier version",
                role="recorder",
                origin=day.settings.prefixed(MEDIA.name),
                part=str(each.partition),
                position=str(each.offset),
                at=each.at,
                key=each.key,
                original=each.value,
            )
            name = day.settings.prefixed(DEAD_LETTERS.name)
            await sender.send_and_wait(name, value, key=each.key, headers=headers)
    finally:
        await sender.stop()
    command = [sys.executable, "-m", "cli.main", "dead-letters", "retry"]
    done = await asyncio.to_thread(
        subprocess.run,
        [*command, "--reason", "late-media", "--limit", str(LETTERS)],
        env=day.environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    day.say(f"dead letters put back: status {done.returncode} {done.stdout.strip()[-100:]}")
    if done.returncode:
        raise RuntimeError(done.stderr)


async def _some_batches(day: Day) -> list[_Found]:
    log = Log(day.settings, lambda *_: None)
    found: list[_Found] = []
    await log.start()
    try:
        for span in await log.spans(MEDIA):
            async for message in log.read(span):
                if isinstance(decode(message.value), MediaBatch):
                    place = (message.partition, message.offset, message.timestamp)
                    found.append(_Found(*place, message.key, message.value))
    finally:
        await log.stop()
    chosen = day.random.sample(found, min(LETTERS, len(found)))
    assert all(partition_of(e.key, CALL_PARTITIONS) == e.partition for e in chosen)
    return chosen
