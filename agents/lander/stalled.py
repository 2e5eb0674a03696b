"""Report in the process's health the partitions that stopped because the log contradicts the
lake."""

from collections.abc import Collection

from aiokafka import TopicPartition

from agents.lander.metrics import STALLED
from pipeline.runtime.settings import PREFIX
from pipeline.runtime.telemetry import Health


class StalledPartitions:
    """The stalled partitions. The process is unhealthy while there are any."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._partitions: set[TopicPartition] = set()

    def add(self, tp: TopicPartition, what: str) -> None:
        """Show that the partition is stopped, and why."""
        self._partitions.add(tp)
        STALLED.set(len(self._partitions))
        self._health.bad(
            _name(tp),
            f"stopped: {what}; if the topic was deleted and created again, set {PREFIX}LAKE_URL "
            "to a new place",
        )

    def remove(self, tp: TopicPartition) -> None:
        """Note that the partition is landed again, if it was stalled."""
        if tp in self._partitions:
            self._partitions.remove(tp)
            self._health.good(_name(tp))
            STALLED.set(len(self._partitions))

    def keep(self, assigned: Collection[TopicPartition]) -> None:
        """Forget stalled partitions that are no longer assigned."""
        for tp in [each for each in self._partitions if each not in assigned]:
            self.remove(tp)


def _name(tp: TopicPartition) -> str:
    """Return the partition's name in the health check."""
    return f"{tp.topic}-{tp.partition}"
