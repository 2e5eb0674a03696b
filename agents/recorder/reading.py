"""Records of `media` -> what the fold asks for: the quick way for regular batches."""

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
"""What waits to be recorded, when there is much, is on the log and not in memory."""


@dataclass(slots=True)
class PartitionInWork:
    """A partition that this process has: its fold, and how far it was read and committed."""

    fold: PartitionFold
    position: int
    latest_at: int = 0
    committed: int = -1

    def read(self, regular: RegularReader, records: Sequence[ConsumerRecord]) -> list[Work]:
        """Fold records in; return what is to be carried out."""
        work: list[Work] = []
        for message in records:
            if effects := effects_of(regular, self.fold, message):
                work += [Work(effect, message) for effect in effects]
            self.latest_at = max(self.latest_at, message.timestamp)
        self.position = records[-1].offset + 1
        return work


def media_consumer(settings: Settings) -> AIOKafkaConsumer:
    """Return the recorder's consumer. Not started, and not subscribed."""
    return kafka.consumer(
        settings,
        group_id=settings.prefixed(Role.RECORDER),
        # A store that refuses for hours is no reason to give the partitions to another
        # recorder, which has the same store: the alarm is the health check.
        max_poll_interval_ms=24 * 60 * 60 * 1000,
        # A round for each batch of each call costs several times what is in it: the broker
        # gathers, for 100 ms at most.
        fetch_min_bytes=kafka.GATHERED_BYTES,
        fetch_max_bytes=MOST_FETCHED_BYTES,
    )


def effects_of(
    regular_reader: RegularReader, fold: PartitionFold, message: ConsumerRecord
) -> list[Effect]:
    """Folds the record in, and returns what is to be carried out, mostly nothing."""
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
