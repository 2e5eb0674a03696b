"""Read the checkpoints of recordings."""

from collections.abc import Callable, Collection

from aiokafka import ConsumerRecord

from pipeline.recordings.memory import Checkpoint
from pipeline.runtime.partition_reading import read_partitions
from pipeline.runtime.settings import Settings
from pipeline.runtime.state_log import Lasting
from schemas.codec import decode
from schemas.topics import RECORDER_CHECKPOINTS

_SAID = Lasting("checkpoints cannot be read; trying again", "checkpoints can be read")


async def read_checkpoints(
    settings: Settings, partitions: Collection[int], moved: Callable[[], None] = lambda: None
) -> dict[int, list[Checkpoint]]:
    """Return the checkpoints of each partition: for each recording the one with the greatest
    offset, and all decisions. Partitions that cannot be read now are left out: ask for them again.
    `moved` is called whenever something arrived.

    The greatest offset need not be in a recording's last record: a recorder that had lost the
    partition may have written once more.

    Raise `Undecodable` for a checkpoint of an unknown type: without it, a running recording would
    begin again.
    """
    found: dict[int, dict[bytes, Checkpoint]] = {partition: {} for partition in partitions}

    def take(record: ConsumerRecord) -> None:
        _keep(found[record.partition], record.key, record.value)

    read = await read_partitions(
        settings, RECORDER_CHECKPOINTS, partitions, take, said=_SAID, moved=moved
    )
    return {partition: list(found[partition].values()) for partition in read}


def _keep(kept: dict[bytes, Checkpoint], key: bytes, value: bytes | None) -> None:
    if value is None:
        kept.pop(key, None)
        return
    checkpoint: Checkpoint = decode(value)
    known = kept.get(key)
    if known is None or known.offset <= checkpoint.offset:
        kept[key] = checkpoint
