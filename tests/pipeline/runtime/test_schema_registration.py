"""One process at a time registers. With Kafka: tests/integration/test_schema_ids.py."""

import asyncio
from dataclasses import replace

from pipeline.runtime.schema_ids import KnownIds
from pipeline.runtime.schema_registration import _is_known, _Turn
from schemas.records import RegisteredSchemas

RECORD = RegisteredSchemas("http://a", 1, ())


async def test_the_partition_is_kept_until_the_end() -> None:
    """The group waits for its holder; a process without the partition waits for its turn."""
    turn = _Turn()
    await turn.on_partitions_assigned([])
    await turn.on_partitions_revoked([])
    assert not turn.begins.is_set()
    await turn.on_partitions_assigned([0])
    assert turn.begins.is_set()
    revoked = asyncio.create_task(turn.on_partitions_revoked([0]))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not revoked.done()
    turn.ends.set()
    await revoked


def test_only_a_new_record_is_published() -> None:
    """A record that differs from the last in its time only is known; one of an earlier registry
    must be the last again."""
    known = KnownIds()
    assert not _is_known(known, RECORD)
    known.take(RECORD)
    assert _is_known(known, replace(RECORD, at=2))
    known.take(replace(RECORD, registry="http://b"))
    assert not _is_known(known, RECORD)
