"""Records that Kafka refuses for good: the errors that show this, and the substitutes to send."""

from aiokafka.errors import (
    BrokerResponseError,
    InvalidTimestampError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    UnsupportedForMessageFormatError,
    kafka_errors,
)

from gateway.publishing.dropped_batches import Dropped
from schemas import codec
from schemas.records import MediaBatch

REASON = "refused"


class InvalidRecordError(BrokerResponseError):  # type: ignore[misc]
    """The broker's code 87, which aiokafka does not know and would report as an unknown error."""

    errno = 87
    message = "INVALID_RECORD"
    description = "The broker found the record invalid."


kafka_errors.setdefault(InvalidRecordError.errno, InvalidRecordError)

FINAL_ERRORS = (
    InvalidRecordError,
    InvalidTimestampError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    UnsupportedForMessageFormatError,
)
"""Errors that a retry of the same record cannot cure. Missing permissions are not among them: an
administrator can grant them, and the records wait until then."""


def substitute(value: bytes) -> tuple[str, bytes | None]:
    """Return the type of the refused record with the bytes `value`, and the bytes to send in its
    place: a `MediaDropped` for a `MediaBatch`, None (nothing) for any other."""
    try:
        record = codec.decode(value)
    except codec.Undecodable:
        return "undecodable", None
    name = type(record).__name__
    if isinstance(record, MediaBatch):
        return name, codec.encode(Dropped(record, REASON).record())
    return name, None
