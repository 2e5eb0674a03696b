"""Health by the outlets of audio."""

import asyncio

import pytest

from gateway.publishing.outlets import Outlets, is_cut_off, show_kafka
from gateway.publishing.publisher import Publisher
from pipeline.runtime.telemetry import Health
from schemas.records import Tick
from schemas.topics import CALL_PARTITIONS
from tests.gateway.publishing.cluster import Cluster, running
from tests.virtual_time import virtually


def _publish_everywhere(outlets: Outlets[Publisher], at: int) -> None:
    for outlet, topic in zip(outlets, ("media", "events"), strict=True):
        for partition in range(CALL_PARTITIONS):
            if outlet.waiting_at(topic, partition) < 2:
                outlet.publish(topic, None, Tick(at), partition=partition)


@pytest.mark.parametrize(
    ("media", "events", "red"),
    [
        (set(), set(), False),
        ({3}, set(), False),
        (set(), {3, 4}, False),
        (set(range(24)), set(), True),
        (set(range(24)), set(range(24)), True),
    ],
)
def test_health_is_bad_only_if_no_audio_is_taken(
    media: set[int], events: set[int], red: bool
) -> None:
    """A partition or two without a leader are a warning that names them."""

    async def scene() -> None:
        clock = asyncio.get_running_loop().time
        clusters = Cluster(media), Cluster(events)
        outlets = Outlets(*(Publisher(each.producer, clock=clock) for each in clusters))
        health = Health()
        async with running(outlets.media), running(outlets.events):
            for at in range(9):
                _publish_everywhere(outlets, at)
                await asyncio.sleep(2)
            show_kafka(health, outlets)
            assert is_cut_off(outlets) == red == bool(health.reasons)
            warning = health.warnings.get("kafka-partitions", "")
            assert bool(warning) == bool(media | events)
            if media == {3}:
                assert "media 3 for" in warning
            for cluster in clusters:
                cluster.elect()
            await asyncio.sleep(30)
            show_kafka(health, outlets)
            assert not health.reasons
            assert not health.warnings

    virtually(scene())
