"""Give up the stored parts of unfinished recordings that lack files. The recorder then makes these
recordings again from `media` and no longer stops at them.

Audio that `media` still holds is recorded again under the same INUM. Audio that has expired there
is lost, and the manifest counts it as `files-gone`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.recorder.checkpoints import read_checkpoints
from agents.recorder.storage.files import keeping_of
from pipeline.recordings.beginnings import FirstKept, anew, frames_lost
from pipeline.recordings.keys import checkpoint_key, inum, recording_of
from pipeline.recordings.sources import source_of
from pipeline.runtime import kafka
from pipeline.runtime.event_producer import EventProducer
from pipeline.runtime.settings import Settings
from pipeline.store.audio import AudioStore
from schemas.codec import Undecodable, decode, encode
from schemas.records import MediaBatch, MediaDropped, RecorderCheckpoint
from schemas.topics import MEDIA, RECORDER_CHECKPOINTS


class NoCheckpoints(RuntimeError):
    """The partition of the checkpoints has no leader."""


@dataclass(frozen=True, slots=True)
class Broken:
    """An unfinished recording that lacks files. `kept`: its first record that is still on `media`,
    or None."""

    checkpoint: RecorderCheckpoint
    kept: FirstKept | None

    @property
    def inum(self) -> str:
        """The recording's INUM."""
        return inum(recording_of(self.checkpoint))

    @property
    def frames_lost(self) -> int:
        """The number of lost frames, both tracks together."""
        return frames_lost(self.checkpoint, self.kept)


async def find_broken(settings: Settings, store: AudioStore, partition: int) -> list[Broken]:
    """Return the partition's unfinished recordings that lack files in the store. Raise
    `KafkaError`, `StoreError`, `NoCheckpoints`."""
    found = await read_checkpoints(settings, [partition])
    if partition not in found:
        raise NoCheckpoints(f"partition {partition} of {RECORDER_CHECKPOINTS.name} cannot be read")
    keeping = keeping_of(store)
    unfinished = [
        c for c in found[partition] if isinstance(c, RecorderCheckpoint) and c.closed_at is None
    ]
    broken = [c for c in unfinished if not await keeping.is_intact(c)]
    if not broken:
        return []
    kept = await _first_kept(settings, partition, broken)
    return [Broken(c, kept.get(source_of(c))) for c in broken]


async def restart(
    settings: Settings, store: AudioStore, partition: int, broken: Sequence[Broken]
) -> None:
    """Delete the remaining files of these recordings, and have the recorder begin them again.
    Raise `KafkaError` and `StoreError`; may be repeated."""
    keeping = keeping_of(store)
    for each in broken:
        await keeping.clear(each.checkpoint)
    topic = settings.prefixed(RECORDER_CHECKPOINTS.name)
    async with kafka.producer(settings, source="recordings") as producer:
        for each in broken:
            await _replace(producer, topic, partition, each)


async def _replace(producer: EventProducer, topic: str, partition: int, broken: Broken) -> None:
    # Both records or none: in one batch. Among several checkpoints the one with the greatest offset
    # counts, so the old one must be deleted first.
    old = broken.checkpoint
    key = checkpoint_key(old)
    batch = producer.create_batch()
    batch.append(timestamp=None, key=key, value=None)
    value = encode(anew(old, broken.kept))
    headers = producer.headers_of(topic, value)
    batch.append(timestamp=None, key=key, value=value, headers=headers)
    batch.close()
    await (await producer.send_batch(batch, topic, partition=partition))


async def _first_kept(
    settings: Settings, partition: int, broken: Sequence[RecorderCheckpoint]
) -> dict[str, FirstKept]:
    """Return each recording's first audio record that is still on `media`, by source."""
    tp = TopicPartition(settings.prefixed(MEDIA.name), partition)
    begin = min(checkpoint.first_offset for checkpoint in broken)
    end = max(checkpoint.offset for checkpoint in broken)
    wanted = {source_of(checkpoint) for checkpoint in broken}
    found: dict[str, FirstKept] = {}
    consumer: AIOKafkaConsumer = kafka.consumer(settings)
    await consumer.start()
    try:
        consumer.assign([tp])
        earliest = (await consumer.beginning_offsets([tp]))[tp]
        last = min(end, (await consumer.end_offsets([tp]))[tp])
        consumer.seek(tp, max(begin, earliest))
        while found.keys() != wanted and await consumer.position(tp) < last:
            for message in (await consumer.getmany(tp, timeout_ms=1_000)).get(tp, []):
                record = _audio(message.value)
                if record is not None and source_of(record) in wanted:
                    found.setdefault(source_of(record), _kept(record))
    finally:
        await consumer.stop()
    return found


def _audio(value: bytes | None) -> MediaBatch | MediaDropped | None:
    try:
        record = decode(value)
    except Undecodable:
        return None
    return record if isinstance(record, MediaBatch | MediaDropped) else None


def _kept(record: MediaBatch | MediaDropped) -> FirstKept:
    number = record.number if isinstance(record, MediaBatch) else record.first_number
    return FirstKept(number, {t.track: t.runs[0].timestamp for t in record.tracks if t.runs})
