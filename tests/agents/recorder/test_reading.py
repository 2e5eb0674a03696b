"""Records of `media` are folded, fast or one by one, with the same effects."""

from typing import Any

import pytest

from agents.recorder import reading
from agents.recorder.reading import PartitionInWork, effects_of, media_consumer
from pipeline.media.regular import RegularReader
from pipeline.recordings.effects import Refused
from pipeline.recordings.partition import PartitionFold
from pipeline.runtime.settings import Settings
from schemas.codec import decode
from tests.agents.recorder.parts import FakeMessage, messages
from tests.pipeline.recordings.logs import T0


def test_regular_batches_have_the_same_effects_as_others() -> None:
    """Those of the fold of each decoded record."""
    quick, slow, reader = PartitionFold(), PartitionFold(), RegularReader()
    for record in messages("MZ1", 0, 12, 3):
        expected = slow.handle(decode(record.value), record.offset, record.timestamp)
        assert expected == effects_of(reader, quick, record)


def test_a_record_that_cannot_be_decoded_is_refused() -> None:
    """With the reason, so that it becomes a dead letter; so is a record without a value."""
    for value in (b"no record", b"", None):
        message = FakeMessage(value=value)  # type: ignore[arg-type]
        [refused] = effects_of(RegularReader(), PartitionFold(), message)
        assert isinstance(refused, Refused)
        assert "undecodable" == refused.reason


def test_a_partition_continues_after_the_last_record() -> None:
    """Its time is the latest one that was read, and each effect has the record that caused it."""
    partition = PartitionInWork(PartitionFold(), 0)
    records = messages("MZ1", 0, 12, 3, offset=40)
    late = [FakeMessage(r.value, offset=r.offset, timestamp=T0 - r.offset) for r in records]
    work = partition.read(RegularReader(), late)
    assert (52, T0 - 40) == (partition.position, partition.latest_at)
    assert late[0] is work[0].message
    assert {late[0], late[-1]} <= {item.message for item in work}


def test_the_group_keeps_its_partitions_while_the_store_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For a day: another recorder would have the same store. The topic prefix is the group's."""
    monkeypatch.setattr(reading.kafka, "consumer", lambda _, **arguments: arguments)
    made: Any = media_consumer(Settings(topic_prefix="p."))
    assert ("p.recorder", 24 * 60 * 60 * 1000) == (made["group_id"], made["max_poll_interval_ms"])
