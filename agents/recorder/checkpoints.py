"""Read the checkpoints of recordings."""

from collections.abc import Collection

from aiokafka import ConsumerRecord

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
    found: dict[int, dict[bytes, Checkpoint]] = {partition: {} for partition in partitions}

    def take(record: ConsumerRecord) -> None:
        _keep(found[record.partition], record.key, record.value)

    read = await kafka.read_partitions(settings, RECORDER_CHECKPOINTS, partitions, take)
    return {partition: list(found[partition].values()) for partition in read}


def _keep(kept: dict[bytes, Checkpoint], key: bytes, value: bytes | None) -> None:
    if value is None:
        kept.pop(key, None)
        return
    checkpoint: Checkpoint = decode(value)
    known = kept.get(key)
    if known is None or known.offset <= checkpoint.offset:
        kept[key] = checkpoint
