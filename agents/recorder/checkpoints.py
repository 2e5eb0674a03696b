"""Read the checkpoints of recordings."""

from collections.abc import Collection

from aiokafka import TopicPartition

from pipeline.recordings.memory import Checkpoint
from pipeline.runtime import kafka
from pipeline.runtime.kafka_answers import answered_soon
from pipeline.runtime.settings import Settings
from pipeline.runtime.state_log import Lasting
from schemas.codec import decode
from schemas.topics import RECORDER_CHECKPOINTS

ATTEMPT_S = 30.0
_SAID = Lasting("checkpoints cannot be read; trying again", "checkpoints can be read")


async def read_checkpoints(
    settings: Settings, partitions: Collection[int]
) -> dict[int, list[Checkpoint]]:
    """Return the checkpoints of each partition: for each recording the one with the greatest
    offset, and all decisions. A partition without a leader is left out, and so are all of them if
    Kafka does not answer.

    The greatest offset need not be in a recording's last record: a recorder that had lost the
    partition may have written once more.

    Raises `Undecodable` for a checkpoint of an unknown type: without it, a running recording would
    begin again.
    """
    return await answered_soon(lambda: _read(settings, partitions), ATTEMPT_S, _SAID) or {}


async def _read(settings: Settings, partitions: Collection[int]) -> dict[int, list[Checkpoint]]:
    topic = settings.prefixed(RECORDER_CHECKPOINTS.name)
    consumer = kafka.consumer(settings)
    try:
        await consumer.start()
        asked = (TopicPartition(topic, partition) for partition in partitions)
        wanted = await kafka.with_leader(consumer, asked)
        found: dict[int, dict[bytes, Checkpoint]] = {tp.partition: {} for tp in wanted}
        if not wanted:
            return {}
        consumer.assign(wanted)
        await consumer.seek_to_beginning(*wanted)
        ends = await consumer.end_offsets(wanted)
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for tp, messages in (await consumer.getmany(timeout_ms=200)).items():
                for message in messages:
                    _keep(found[tp.partition], message.key, message.value)
    finally:
        await consumer.stop()
    return {partition: list(kept.values()) for partition, kept in found.items()}


def _keep(kept: dict[bytes, Checkpoint], key: bytes, value: bytes | None) -> None:
    if value is None:
        kept.pop(key, None)
        return
    checkpoint: Checkpoint = decode(value)
    known = kept.get(key)
    if known is None or known.offset <= checkpoint.offset:
        kept[key] = checkpoint
