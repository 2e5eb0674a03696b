"""Convert Kinesis records to Kafka messages, divided into transactions. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.calls.cloud_events import Element, Readable, Swallowed, UnreadableEvent, elements
from pipeline.calls.trimming import trimmed
from pipeline.dead_letters import Headers, dead_letter, task_of
from pipeline.kinesis.shard_ref import Place
from pipeline.twilio.sids import SidKind
from schemas.codec import encode
from schemas.records import CtiEvent
from schemas.topics import CTI_EVENTS, DEAD_LETTERS

CONNECTOR = "flexcapture-bridge"

TRIMMED_HEADER = "flexcapture.trimmed"
"""Header of an event that was cut down to fit its topic: the size of its whole body in bytes."""

ARRIVED_AT_HEADER = "flexcapture.arrived_at"
"""Header of a dead letter: when Kinesis received the record (ms). A retry needs it."""

MOST_LETTERS = 100
"""How many elements of one array get a dead letter each: a megabyte of `[7,7,...` must not cause
half a million dead letters."""

_RECORD_OVERHEAD = 1_024
"""Bytes for the batch header and the record's key and lengths: Kafka's limits apply to a whole
batch."""

_DEAD_LETTER_OVERHEAD = 16 * 1_024
"""Bytes that a dead letter adds to the original: detail and names, as value and as headers."""


@dataclass(frozen=True, slots=True)
class KinesisRecord:
    """A record as GetRecords gives it; `arrived_at` is its ApproximateArrivalTimestamp (ms)."""

    sequence_number: str
    arrived_at: int
    data: bytes


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """The largest messages that the topics accept, and the size of a transaction, in bytes."""

    event_bytes: int = 4 * 1024 * 1024
    dead_letter_bytes: int = 4 * 1024 * 1024
    portion_bytes: int = 4 * 1024 * 1024
    portion_messages: int = 2_000


@dataclass(frozen=True, slots=True)
class Message:
    """A message to send. `topic` is without prefix."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers
    reason: str | None = None
    """Why the message is a dead letter; None: it is an event."""
    invalid_sids: tuple[SidKind, ...] = ()
    """The kind of each SID of the event that is invalid, and so counts as absent."""
    task_sid: str | None = None
    """The call that a dead letter belongs to, if that is known."""

    @property
    def is_trimmed(self) -> bool:
        """Whether the message holds only a part of its event."""
        return any(name == TRIMMED_HEADER for name, _ in self.headers)


@dataclass(frozen=True, slots=True)
class Portion:
    """The content of one transaction: the messages of some Kinesis records up to and including
    `last`, and of the first `elements` elements of the record after it. `last` is None if no record
    ends in this portion."""

    messages: tuple[Message, ...]
    last: KinesisRecord | None
    elements: int = 0


def portions(
    place: Place, records: Iterable[KinesisRecord], limits: SizeLimits, now: int, carried: int = 0
) -> Iterator[Portion]:
    """Yield the messages of all `records` in order, divided so that no transaction is too large.

    `carried`: the number of elements of the first record to leave out. This is a generator because
    a record may have very many elements: other shards can be processed between two portions.
    """
    messages: list[Message] = []
    size, last, done = 0, None, 0
    for record in records:
        for index, message in _elements(place, record, limits, now):
            if index < carried:
                continue
            if message is not None:
                full = size + len(message.value) > limits.portion_bytes
                if messages and (full or len(messages) >= limits.portion_messages):
                    yield Portion(tuple(messages), last, done)
                    messages, size, last = [], 0, None
                messages.append(message)
                size += len(message.value)
            done = index + 1
        last, done, carried = record, 0, 0
    if last is not None:
        yield Portion(tuple(messages), last)


def messages_of(place: Place, record: KinesisRecord, limits: SizeLimits, now: int) -> list[Message]:
    """Return the messages of one Kinesis record: none, one, or one for each element of an array."""
    found = _elements(place, record, limits, now)
    return [message for _, message in found if message is not None]


def _elements(
    place: Place, record: KinesisRecord, limits: SizeLimits, now: int
) -> Iterator[tuple[int, Message | None]]:
    """Yield the record's elements, numbered, each with its message. Of the unreadable ones only the
    first get a dead letter each. The rest share one, numbered as one more element.

    Never raise: no content of a record may block its shard.
    """
    unreadable: list[UnreadableEvent] = []
    index = 0
    for index, element in enumerate(_elements_of(record.data)):
        if isinstance(element, UnreadableEvent):
            unreadable.append(element)
            if len(unreadable) > MOST_LETTERS:
                yield index, None
                continue
        yield index, _message_or_dead_letter(place, record, element, limits, now)
    if rest := unreadable[MOST_LETTERS:]:
        yield index + 1, _dead(place, record, _together(rest), limits, now)


def _elements_of(raw: bytes) -> Iterator[Element]:
    try:
        yield from elements(raw)
    except Exception as error:  # noqa: BLE001 - our defect must not block the shard
        yield UnreadableEvent("defect", repr(error), raw)


def _together(rest: Sequence[UnreadableEvent]) -> UnreadableEvent:
    detail = f"{len(rest)} more elements of the same array, the first of them: {rest[0].detail}"
    return UnreadableEvent(
        rest[0].reason, detail, b"[" + b",".join(e.original for e in rest) + b"]"
    )


def _message_or_dead_letter(
    place: Place, record: KinesisRecord, element: Element, limits: SizeLimits, now: int
) -> Message | None:
    try:
        return _message(place, record, element, limits, now)
    except Exception as error:  # noqa: BLE001 - our defect must not block the shard
        unreadable = UnreadableEvent("defect", repr(error), record.data)
        return _dead(place, record, unreadable, limits, now, exception=type(error).__name__)


def _message(
    place: Place,
    record: KinesisRecord,
    element: Element,
    limits: SizeLimits,
    now: int,
) -> Message | None:
    if isinstance(element, Swallowed):
        return None
    if isinstance(element, UnreadableEvent):
        return _dead(place, record, element, limits, now)
    value = encode(_event(place, record, element))
    key = element.key.encode()
    size = len(value) + len(key) + _RECORD_OVERHEAD
    headers: Headers = []
    if size > limits.event_bytes and (smaller := trimmed(element)) is not None:
        value = encode(_event(place, record, smaller.event))
        headers = [(TRIMMED_HEADER, str(smaller.original_bytes).encode())]
    if len(value) + len(key) + _RECORD_OVERHEAD > limits.event_bytes:
        detail = f"{size} bytes on Kafka; the limit is {limits.event_bytes}"
        too_large = UnreadableEvent("too-large", detail, element.body.encode())
        return _dead(place, record, too_large, limits, now)
    return Message(CTI_EVENTS.name, key, value, headers, invalid_sids=element.invalid_sids)


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
    what: UnreadableEvent,
    limits: SizeLimits,
    now: int,
    *,
    exception: str = "",
) -> Message:
    room = max(0, limits.dead_letter_bytes - _DEAD_LETTER_OVERHEAD)
    detail = what.detail[:1_500]
    if len(what.original) > room:
        detail += f" (the original's {len(what.original)} bytes are cut to {room})"
    task_sid = task_of(None, what.original)
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
        task_sid=task_sid,
    )
    headers.append((ARRIVED_AT_HEADER, str(record.arrived_at).encode()))
    key = None if task_sid is None else task_sid.encode()
    return Message(
        DEAD_LETTERS.name, key, value, headers, what.reason, what.invalid_sids, task_sid=task_sid
    )
