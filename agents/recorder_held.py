"""Partitions of `media` that are not read at the moment, and why."""

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import Gauge

from pipeline.telemetry import Health

log = structlog.get_logger(__name__)

STALLED = Gauge(
    "flexcapture_recorder_stalled_partitions",
    "Partitions left where they are, as something of a recording in the making is gone",
)
HELD = Gauge(
    "flexcapture_recorder_held_partitions",
    "Partitions that wait, as Kafka does not take what the recorder writes for them",
)


class HeldPartitions:
    """Pauses partitions: held ones until something outside works again, stalled ones until another
    process has them, or this one anew. `health` is shown which."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str) -> None:
        self.health = Health()
        self._consumer = consumer
        self._topic = topic
        self._held: dict[int, int] = {}
        self._stalled: set[int] = set()

    @property
    def held(self) -> frozenset[int]:
        """Those that wait for something outside."""
        return frozenset(self._held)

    @property
    def stalled(self) -> frozenset[int]:
        """Those that need an operator."""
        return frozenset(self._stalled)

    def __contains__(self, number: int) -> bool:
        return number in self._held or number in self._stalled

    def hold(self, number: int, position: int, why: str) -> None:
        """Read nothing of the partition until `read_on`, and then from that offset."""
        self._held[number] = position
        self._consumer.pause(TopicPartition(self._topic, number))
        log.warning("a partition waits", partition=number, why=why)
        self.health.warn(_name(number), f"{why}: its recordings wait, nothing is lost")
        HELD.set(len(self._held))

    def read_on(self, number: int) -> None:
        """What a held partition waited for works again."""
        partition = TopicPartition(self._topic, number)
        self._consumer.seek(partition, self._held.pop(number))
        self._consumer.resume(partition)
        log.info("a partition is read again", partition=number)
        self.health.clear_warning(_name(number))
        HELD.set(len(self._held))

    def stall(self, number: int, what: str) -> None:
        """Leave a partition where it is: something is gone that only an operator can bring back, or
        give up (`flexcapture recordings abandon`). The others go on."""
        self._stalled.add(number)
        self._consumer.pause(TopicPartition(self._topic, number))
        self.health.bad(_name(number), f"stopped, nothing is dropped: {what}")
        STALLED.set(len(self._stalled))

    def clear(self) -> None:
        """All partitions were given away, or are begun anew."""
        for number in self._stalled:
            self.health.good(_name(number))
        for number in self._held:
            self.health.clear_warning(_name(number))
        self._stalled.clear()
        self._held.clear()
        STALLED.set(0)
        HELD.set(0)


def _name(number: int) -> str:
    """What the health check calls it."""
    return f"partition-{number}"
