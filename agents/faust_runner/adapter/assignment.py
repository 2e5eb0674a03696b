"""Check that the partitions that the consumer group assigned to a Faust role belong together.

A role reads partition N of each of its topics and keeps the state in partition N of its table, so
it must be assigned all of them or none. If the group's leader did not know a topic yet, the role
lacks this topic's partitions: it looks healthy and does nothing for these calls. The group must
then assign its partitions again.
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
    """Return, for each topic that lacks partitions which another of the topics has, their
    numbers."""
    found = {topic: {number for name, number in assigned if name == topic} for topic in topics}
    whole = set().union(*found.values())
    return {topic: sorted(whole - has) for topic, has in found.items() if whole - has}


async def watch_assignment(app: Any, topics: Collection[str], health: Health) -> None:
    """Set `health` to bad and request a new assignment while partitions of a topic are missing.
    Never return.

    `topics`: names with the prefix, including the changelog.
    """
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
