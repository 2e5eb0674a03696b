"""Partitions of `media` that are not being read, and why."""

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.recorder.lag import committed_offset
from agents.recorder.metrics import HELD_PARTITIONS, STALLED_PARTITIONS
from pipeline.runtime.telemetry import Health

log = structlog.get_logger(__name__)

RETRY_S = 20.0


class HeldPartitions:
    """Pauses partitions, and shows them in `health`.

    A held partition waits until Kafka works for it again. A stalled partition waits until another
    process owns it, or until this one retries it.
    """

    def __init__(self, consumer: AIOKafkaConsumer, topic: str) -> None:
        self.health = Health()
        self._consumer = consumer
        self._topic = topic
        self._held: dict[int, int] = {}
        self._stalled: dict[int, tuple[float, int]] = {}  # since (s), position
        self._retried: dict[int, int] = {}

    @property
    def held(self) -> frozenset[int]:
        """The partitions that wait for Kafka."""
        return frozenset(self._held)

    @property
    def stalled(self) -> frozenset[int]:
        """The partitions that need an operator."""
        return frozenset(self._stalled)

    def __contains__(self, number: int) -> bool:
        return number in self._held or number in self._stalled

    def hold(self, number: int, position: int, why: str) -> None:
        """Pause the partition until `read_on`, which continues at `position`."""
        self._held[number] = position
        self._consumer.pause(TopicPartition(self._topic, number))
        log.warning("a partition is paused", partition=number, why=why)
        self.health.warn(_name(number), f"{why}: its recordings wait, nothing is lost")
        HELD_PARTITIONS.set(len(self._held))

    def read_on(self, number: int) -> None:
        """Resume a held partition."""
        partition = TopicPartition(self._topic, number)
        self._consumer.seek(partition, self._held.pop(number))
        self._consumer.resume(partition)
        log.info("a partition is read again", partition=number)
        self.health.clear_warning(_name(number))
        HELD_PARTITIONS.set(len(self._held))

    def stall(self, number: int, what: str, now: float, position: int) -> None:
        """Pause a partition at `now` (s), read up to `position`, because of missing files that only
        an operator can restore or give up. It is retried every 20 s. Other partitions continue."""
        self._stalled[number] = now, position
        self._consumer.pause(TopicPartition(self._topic, number))
        self.health.bad(
            _name(number),
            f"stopped, nothing is dropped: {what}; restore the files, or list the losses without "
            f"them: flexcapture recordings restart --partition {number}",
        )
        STALLED_PARTITIONS.set(len(self._stalled))

    async def retry(self, now: float) -> list[int]:
        """Read the stalled partitions that were tried 20 s ago again, from the committed offset.
        Return their numbers. Their health stays bad until `works`."""
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
        """Note that the partition is recorded up to offset `committed`."""
        if committed >= self._retried.get(number, committed + 1):
            del self._retried[number]
            self.health.good(_name(number))
            log.info("a stopped partition is recorded again", partition=number)
            STALLED_PARTITIONS.set(len(self._stalled))

    def clear(self) -> None:
        """Forget all partitions: they were given away, or start again."""
        for number in self._stalled.keys() | self._retried.keys():
            self.health.good(_name(number))
        for number in self._held:
            self.health.clear_warning(_name(number))
        self._stalled.clear()
        self._retried.clear()
        self._held.clear()
        STALLED_PARTITIONS.set(0)
        HELD_PARTITIONS.set(0)


def _name(number: int) -> str:
    """Return the partition's name in the health check."""
    return f"partition-{number}"
