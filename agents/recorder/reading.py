"""Fold records of `media`, with a fast path for regular batches."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord

from agents.recorder.work import Work
from pipeline.media.regular import RegularReader
from pipeline.recordings.effects import Effect, Refused
from pipeline.recordings.partition import PartitionFold
from pipeline.runtime import kafka
from pipeline.runtime.settings import Role, Settings
from schemas.codec import Undecodable, decode

MOST_FETCHED_BYTES = 16 * 1024 * 1024
"""Limit of one fetch. A backlog stays on the log and not in memory."""


@dataclass(slots=True)
class PartitionInWork:
    """A partition that this process owns: its fold, and the next offsets to read and to commit."""

    fold: PartitionFold
    position: int
    latest_at: int = 0
    committed: int = -1

    def read(self, regular: RegularReader, records: Sequence[ConsumerRecord]) -> list[Work]:
        """Fold records in; return the effects to carry out."""
        work: list[Work] = []
        for message in records:
            if effects := effects_of(regular, self.fold, message):
                work += [Work(effect, message) for effect in effects]
            self.latest_at = max(self.latest_at, message.timestamp)
        self.position = records[-1].offset + 1
        return work


def media_consumer(settings: Settings) -> AIOKafkaConsumer:
    """Return the recorder's consumer, not started and not subscribed."""
    return kafka.consumer(
        settings,
        group_id=settings.prefixed(Role.RECORDER),
        # A store that fails for hours is no reason to move the partitions to another recorder with
        # the same store. The health check raises the alarm.
        max_poll_interval_ms=24 * 60 * 60 * 1000,
        # A round for each batch costs several times as much as the batch itself, so the broker
        # collects records, for at most 100 ms.
        fetch_min_bytes=kafka.GATHERED_BYTES,
        fetch_max_bytes=MOST_FETCHED_BYTES,
    )


def effects_of(
    regular_reader: RegularReader, fold: PartitionFold, message: ConsumerRecord
) -> list[Effect]:
    """Fold a record in; return the effects to carry out, usually none."""
    regular = regular_reader.read(message.value or b"")
    if regular is not None:
        effects = fold.handle_regular(regular, message.offset, message.timestamp)
        if effects is not None:
            return effects
    try:
        record = decode(message.value)
    except Undecodable as error:
        return [Refused("undecodable", str(error))]
    return fold.handle(record, message.offset, message.timestamp)
