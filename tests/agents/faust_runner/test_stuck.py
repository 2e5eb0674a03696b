"""Partitions that wait for Kafka are shown."""

import asyncio

from agents.faust_runner.stuck import show_stuck
from pipeline.runtime.telemetry import Health
from tests.virtual_time import virtually


def test_partitions_that_wait_are_a_warning() -> None:
    """It names them, and ends once no partition waits."""

    async def scene() -> None:
        health, stuck = Health(), {3, 11}
        showing = asyncio.create_task(show_stuck(health, lambda: stuck))
        await asyncio.sleep(1)
        assert "partitions 3, 11:" in health.warnings["kafka-partitions"]
        assert not health.reasons
        stuck.clear()
        await asyncio.sleep(3)
        assert not health.warnings
        showing.cancel()

    virtually(scene())
