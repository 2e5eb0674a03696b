"""Partitions of `media` that are not read at the moment, and why."""

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import Gauge

from agents.recorder.lag import committed_offset
from pipeline.runtime.telemetry import Health

log = structlog.get_logger(__name__)

RETRY_S = 20.0

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
        self._stalled: dict[int, tuple[float, int]] = {}  # since when, and where it was
        self._retried: dict[int, int] = {}

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

    def stall(self, number: int, what: str, now: float, position: int) -> None:
        """Leave a partition, at `now` (s), which was read up to `position`: something is gone that
        only an operator can bring back, or give up. The others go on. It is tried again every
        20 s."""
        self._stalled[number] = now, position
        self._consumer.pause(TopicPartition(self._topic, number))
        self.health.bad(
            _name(number),
            f"stopped, nothing is dropped: {what}; bring the files back, or see what is lost "
            f"without them: flexcapture recordings restart --partition {number}",
        )
        STALLED.set(len(self._stalled))

    async def retry(self, now: float) -> list[int]:
        """Read stalled partitions again, from what was committed, that were tried 20 s ago;
        return which. Their health stays bad until `works`."""
        due = [n for n, (since, _) in self._stalled.items() if now - since >= RETRY_S]
        for number in due:
            partition = TopicPartition(self._topic, number)
            committed = await committed_offset(self._consumer, partition)
            if committed is None:
                await self._consumer.seek_to_beginning(partition)
            else:
                self._consumer.seek(partition, committed)
            self._consumer.resume(partition)
            _, self._retried[number] = self._stalled.pop(number)
        return due

    def works(self, number: int, committed: int) -> None:
        """What was read of the partition is recorded up to there."""
        if committed >= self._retried.get(number, committed + 1):
            del self._retried[number]
            self.health.good(_name(number))
            log.info("a stopped partition is recorded again", partition=number)
            STALLED.set(len(self._stalled))

    def clear(self) -> None:
        """All partitions were given away, or are begun anew."""
        for number in self._stalled.keys() | self._retried.keys():
            self.health.good(_name(number))
        for number in self._held:
            self.health.clear_warning(_name(number))
        self._stalled.clear()
        self._retried.clear()
        self._held.clear()
        STALLED.set(0)
        HELD.set(0)


def _name(number: int) -> str:
    """What the health check calls it."""
    return f"partition-{number}"
