"""What becomes of Kinesis records: the Kafka messages of one transaction after another. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.bridge.place import Place
from pipeline.calls.cloud_events import Element, Readable, Swallowed, Unreadable, classify
from pipeline.dead_letters import Headers, dead_letter
from schemas.codec import encode
from schemas.records import CtiEvent
from schemas.topics import CTI_EVENTS, DEAD_LETTERS

CONNECTOR = "flexcapture-bridge"

ARRIVED_AT_HEADER = "flexcapture.arrived_at"
"""A dead letter's header: when Kinesis took the record (ms), for when it is put back."""

_RECORD_OVERHEAD = 1_024
"""Kafka's limits are on a whole batch: room for its header, the record's key and lengths."""

_DEAD_LETTER_OVERHEAD = 16 * 1_024
"""What a dead letter adds to the original bytes: detail and names, as value and as headers."""


@dataclass(frozen=True, slots=True)
class KinesisRecord:
    """A record as GetRecords gives it; `arrived_at` is its ApproximateArrivalTimestamp (ms)."""

    sequence_number: str
    arrived_at: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """What the topics take (bytes in a message), and how much goes into one transaction."""

    event_bytes: int = 4 * 1024 * 1024
    dead_letter_bytes: int = 4 * 1024 * 1024
    portion_bytes: int = 4 * 1024 * 1024
    portion_messages: int = 2_000


@dataclass(frozen=True, slots=True)
class Message:
    """What to send: `topic` without prefix."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers
    reason: str | None = None
    """Why it is a dead letter; None for an event."""


@dataclass(frozen=True, slots=True)
class Portion:
    """What one transaction carries: all messages of some Kinesis records, up to and with `last`."""

    messages: tuple[Message, ...]
    last: KinesisRecord


def portions(
    place: Place, records: Sequence[KinesisRecord], limits: Limits, now: int
) -> Iterator[Portion]:
    """All of `records` in order, cut between records where a transaction would grow too big."""
    messages: list[Message] = []
    size = 0
    last = None
    for record in records:
        more = messages_of(place, record, limits, now)
        added = sum(len(message.value) for message in more)
        full = (
            size + added > limits.portion_bytes
            or len(messages) + len(more) > limits.portion_messages
        )
        if full and messages and last is not None:
            yield Portion(tuple(messages), last)
            messages, size = [], 0
        messages += more
        size += added
        last = record
    if last is not None:
        yield Portion(tuple(messages), last)


def messages_of(place: Place, record: KinesisRecord, limits: Limits, now: int) -> list[Message]:
    """The messages of one Kinesis record: none, one, or one for each element of an array.

    Never raises: whatever a record holds, it must not hold up its shard.
    """
    try:
        return [
            message
            for element in classify(record.data)
            if (message := _message(place, record, element, limits, now)) is not None
        ]
    except Exception as error:  # noqa: BLE001 - a defect of ours, and the shard goes on
        unreadable = Unreadable("defect", repr(error), record.data)
        return [_dead(place, record, unreadable, limits, now, exception=type(error).__name__)]


def _message(
    place: Place,
    record: KinesisRecord,
    element: Element,
    limits: Limits,
    now: int,
) -> Message | None:
    if isinstance(element, Swallowed):
        return None
    if isinstance(element, Unreadable):
        return _dead(place, record, element, limits, now)
    value = encode(_event(place, record, element))
    key = element.key.encode()
    size = len(value) + len(key) + _RECORD_OVERHEAD
    if size > limits.event_bytes:
        detail = f"{size} bytes on Kafka, where {limits.event_bytes} is the most"
        too_large = Unreadable("too-large", detail, element.body.encode())
        return _dead(place, record, too_large, limits, now)
    return Message(CTI_EVENTS.name, key, value, [])


def _event(place: Place, record: KinesisRecord, element: Readable) -> CtiEvent:
    return CtiEvent(
        event_id=element.event_id,
        source=element.source,
        type=element.type,
        time=element.time,
        arrived_at=record.arrived_at,
        task_sid=element.task_sid,
        call_sid=element.call_sid,
        body=element.body,
        kinesis_stream=place.kinesis_stream,
        shard_id=place.shard_id,
        sequence_number=record.sequence_number,
    )


def _dead(
    place: Place,
    record: KinesisRecord,
    what: Unreadable,
    limits: Limits,
    now: int,
    *,
    exception: str = "",
) -> Message:
    room = max(0, limits.dead_letter_bytes - _DEAD_LETTER_OVERHEAD)
    detail = what.detail[:1_500]
    if len(what.original) > room:
        detail += f" (the original's {len(what.original)} bytes are cut to {room})"
    value, headers = dead_letter(
        reason=what.reason,
        detail=detail,
        role=CONNECTOR,
        origin=place.kinesis_stream,
        part=place.shard_id,
        position=record.sequence_number,
        at=now,
        key=None,
        original=what.original[:room],
        exception=exception,
    )
    headers.append((ARRIVED_AT_HEADER, str(record.arrived_at).encode()))
    return Message(DEAD_LETTERS.name, None, value, headers, what.reason)
