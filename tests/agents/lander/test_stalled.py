"""Partitions of which the log contradicts the lake."""

from aiokafka import TopicPartition

from agents.lander.metrics import STALLED
from agents.lander.stalled import StalledPartitions
from pipeline.runtime.telemetry import Health

FIRST, SECOND = TopicPartition("p.calls", 3), TopicPartition("p.calls", 4)


def test_each_stalled_partition_is_a_reason() -> None:
    """With the problem and the remedy. The metric counts them."""
    health = Health()
    stalled = StalledPartitions(health)
    stalled.add(FIRST, "it ends at offset 5, and 9 are landed")
    stalled.add(FIRST, "it ends at offset 6, and 9 are landed")
    stalled.add(SECOND, "the lake has another day for offset 7")
    assert {"p.calls-3", "p.calls-4"} == set(health.reasons)
    assert "offset 6, and 9 are landed" in health.reasons["p.calls-3"]
    assert "FLEXCAPTURE_LAKE_URL" in health.reasons["p.calls-4"]
    assert 2 == STALLED._value.get()


def test_a_partition_that_is_landed_again_is_no_reason() -> None:
    """A partition that was not stalled changes nothing."""
    health = Health(other="x")
    stalled = StalledPartitions(health)
    stalled.add(FIRST, "x")
    stalled.remove(SECOND)
    assert {"other", "p.calls-3"} == set(health.reasons)
    stalled.remove(FIRST)
    assert ({"other": "x"}, 0) == (health.reasons, STALLED._value.get())


def test_a_partition_of_another_process_is_no_reason() -> None:
    """After a rebalance the others are kept."""
    health = Health()
    stalled = StalledPartitions(health)
    stalled.add(FIRST, "x")
    stalled.add(SECOND, "x")
    stalled.keep({SECOND})
    assert {"p.calls-4"} == set(health.reasons)
    assert 1 == STALLED._value.get()
