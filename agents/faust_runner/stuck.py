"""Shows the partitions for which Kafka takes nothing of a Faust role."""

import asyncio
from collections.abc import Callable, Collection

from prometheus_client import Gauge

from pipeline.runtime.telemetry import Health

LOOK_SECONDS = 2.0

WAITING = Gauge(
    "flexcapture_waiting_partitions",
    "Partitions that wait, as Kafka does not take what came of their records",
)


async def show_stuck(health: Health, stuck: Callable[[], Collection[int]]) -> None:
    """Warn while there are any. Never returns."""
    while True:
        numbers = sorted(stuck())
        WAITING.set(len(numbers))
        if numbers:
            names = ", ".join(map(str, numbers))
            health.warn(
                "kafka-partitions",
                f"Kafka does not take what came of records of the partitions {names}: their calls "
                "wait; have the partitions leaders, and enough replicas in sync?",
            )
        else:
            health.clear_warning("kafka-partitions")
        await asyncio.sleep(LOOK_SECONDS)
