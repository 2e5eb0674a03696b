"""Records that Kafka refuses for good."""

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    MessageSizeTooLargeError,
    NotEnoughReplicasError,
    TopicAuthorizationFailedError,
    for_code,
)

from gateway.publishing.refused_records import FINAL_ERRORS, substitute
from schemas import codec
from schemas.records import MediaDropped, Tick
from tests.pipeline.recordings.supplemented import batch


def test_the_frames_of_a_refused_batch_are_reported() -> None:
    """Its place is taken by a record of all its frames, with the reason "refused"."""
    name, value = substitute(codec.encode(batch(3)))
    assert "MediaBatch" == name
    assert value is not None
    record = codec.decode(value)
    assert isinstance(record, MediaDropped)
    assert ("refused", 3, 3) == (record.reason, record.first_number, record.last_number)
    assert [2, 2] == [run.frames for track in record.tracks for run in track.runs]


@pytest.mark.parametrize(
    ("value", "name"),
    [(codec.encode(Tick(1)), "Tick"), (b"no record", "undecodable"), (b"", "undecodable")],
)
def test_nothing_takes_the_place_of_other_records(value: bytes, name: str) -> None:
    """Only their type is known, for the metric."""
    assert (name, None) == substitute(value)


@pytest.mark.parametrize(
    ("error", "is_final"),
    [
        (MessageSizeTooLargeError(), True),
        (for_code(87)(), True),  # INVALID_RECORD, which aiokafka does not know by itself
        (TopicAuthorizationFailedError(), False),  # can be granted
        (NotEnoughReplicasError(), False),
        (KafkaConnectionError(), False),
    ],
    ids=repr,
)
def test_an_error_is_final_if_a_retry_cannot_help(error: Exception, is_final: bool) -> None:
    """Records wait for all others."""
    assert is_final == isinstance(error, FINAL_ERRORS)
