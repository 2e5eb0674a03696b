"""Report the partitions that Kafka does not accept a Faust role's records for."""

import asyncio
from collections.abc import Callable, Collection

from agents.faust_runner.metrics import WAITING_PARTITIONS
from pipeline.runtime.telemetry import Health

LOOK_SECONDS = 2.0


async def show_stuck(health: Health, stuck: Callable[[], Collection[int]]) -> None:
    """Warn while there are such partitions. Never return."""
    while True:
        numbers = sorted(stuck())
        WAITING_PARTITIONS.set(len(numbers))
        if numbers:
            names = ", ".join(map(str, numbers))
            health.warn(
                "kafka-partitions",
                f"Kafka does not accept the results of the partitions {names}: their calls wait; "
                "check that the partitions have leaders and enough replicas in sync",
            )
        else:
            health.clear_warning("kafka-partitions")
        await asyncio.sleep(LOOK_SECONDS)
