"""Whether the partitions that Kafka's group gave to a Faust role belong together.

A role reads partition N of all of its topics, and keeps their state in partition N of its table: it
is given all of them or none. Where a topic is missing (the group's leader had not heard of it), the
role looks well and does nothing for these calls, so the group has to share out anew.
"""

import asyncio
from collections.abc import Collection, Iterable
from typing import Any

import structlog

from pipeline.runtime.telemetry import Health

log = structlog.get_logger(__name__)

REASON = "assignment"
_LOOK_SECONDS = 1.0
_AGAIN_SECONDS = 5.0


def lacking(assigned: Iterable[tuple[str, int]], topics: Collection[str]) -> dict[str, list[int]]:
    """Return the partitions that a topic lacks although another of the topics has them."""
    found = {topic: {number for name, number in assigned if name == topic} for topic in topics}
    whole = set().union(*found.values())
    return {topic: sorted(whole - has) for topic, has in found.items() if whole - has}


async def watch_assignment(app: Any, topics: Collection[str], health: Health) -> None:
    """Turn `health` red and have the group share out anew while a topic's partitions are missing.
    `topics`: names with the prefix, the changelog's too. Never returns."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        if app.rebalancing or not app.consumer.started:
            continue
        assigned = [(tp.topic, tp.partition) for tp in app.consumer.assignment()]
        missing = lacking(assigned, topics)
        if not missing:
            health.good(REASON)
            continue
        what = ", ".join(f"{topic} ({len(numbers)})" for topic, numbers in missing.items())
        health.bad(REASON, f"partitions of topics are missing: {what}; joining the group again")
        log.warning("the group's leader left out partitions; joining again", missing=missing)
        app.consumer.rejoin()
        await asyncio.sleep(_AGAIN_SECONDS)
