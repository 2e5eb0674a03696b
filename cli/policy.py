"""`flexcapture policy accept`: accept a monitored list that is held back because it shrank."""

import asyncio
import sys
from collections.abc import Iterable

from aiokafka.errors import KafkaError

from agents.policy_topic import ACCEPTED_KEY, reading_policy
from cli.messages import print_error
from pipeline.error_text import error_text
from pipeline.runtime.kafka import producer
from pipeline.runtime.log_clock import log_time
from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.records import PolicyAccepted, PolicyHeldBack
from schemas.topics import POLICY

STALE_MS = 60_000
"""A list that should have taken effect longer ago than this (ms) is no longer held back: its stream
manager has stopped."""
TIMEOUT_S = 30.0


def accept(settings: Settings) -> int:
    """Accept the lists that are held back, and print the changes. Return the exit status: 0; 1 if
    no list is held back or Kafka does not answer."""
    try:
        held = asyncio.run(_accepted(settings))
    except (KafkaError, TimeoutError, OSError) as error:
        return print_error(f"Kafka cannot be reached: {error_text(error)}")
    if not held:
        return print_error("no monitored list is held back")
    for each in held:
        _print(each)
    return 0


async def _accepted(settings: Settings) -> list[PolicyHeldBack]:
    async with asyncio.timeout(TIMEOUT_S):
        async with reading_policy(settings) as reader:
            now = await log_time(settings)
            held = held_now(reader.held_back.values(), now)
        sender = producer(settings, source="policy")
        await sender.start()
        try:
            topic = settings.prefixed(POLICY.name)
            for each in held:
                record = PolicyAccepted(each.hash, each.base, now)
                key = f"{ACCEPTED_KEY}{each.hash}".encode()
                await sender.send_and_wait(topic, encode(record), key, partition=0)
        finally:
            await sender.stop()
    return held


def held_now(known: Iterable[PolicyHeldBack], now: int) -> list[PolicyHeldBack]:
    """Return the lists that are held back at `now` (ms, log time), without duplicates."""
    fresh = [held for held in known if now < held.effective_at + STALE_MS]
    return list({(held.hash, held.base): held for held in fresh}.values())


def _print(held: PolicyHeldBack) -> None:
    print(f"accepted: {held.in_force} entries were in force")
    for sign, entries, count in (
        ("-", held.lost, held.lost_entries),
        ("+", held.added, held.added_entries),
    ):
        for entry in entries:
            print(f"{sign} {entry}")
        if count > len(entries):
            print(f"{sign} and {count - len(entries)} more")
    sys.stdout.flush()
