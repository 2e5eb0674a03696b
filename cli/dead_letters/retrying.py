"""What putting a dead letter back would write. Pure.

What came from Kinesis is read again by today's code, as the bridge reads it. What came from a topic
goes back to it as it was, on its partition, once today's code can decode it.
"""

from dataclasses import dataclass

from cli.dead_letters.letter import Letter
from pipeline.kinesis.messages import (
    ARRIVED_AT_HEADER,
    CONNECTOR,
    KinesisRecord,
    Limits,
    Message,
    messages_of,
)
from pipeline.kinesis.shard_ref import Place
from schemas.codec import Undecodable, decode
from schemas.topics import ALL, DEAD_LETTERS, DEAD_LETTERS_RETRIED

PUT_BACK, NOTHING_TO_WRITE = "put-back", "nothing-to-write"

COMES_BACK = frozenset({"too-late"})
"""Reasons for which a letter would only come back: put back only where it is asked for by ID or by
reason."""

_NOT_BACK_TO = frozenset({DEAD_LETTERS.name, DEAD_LETTERS_RETRIED.name})


@dataclass(frozen=True, slots=True)
class Put:
    """A record to write: `topic` without prefix; `partition` None: by its key."""

    message: Message
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """It can be put back: these are written, none where it says nothing that anybody needs."""

    puts: tuple[Put, ...]

    @property
    def outcome(self) -> str:
        """In a word."""
        return PUT_BACK if self.puts else NOTHING_TO_WRITE


@dataclass(frozen=True, slots=True)
class StillBad:
    """It cannot; why."""

    why: str


def retry_of(letter: Letter, prefix: str, limits: Limits, now: int) -> Retry | StillBad:
    """What putting `letter` back means; `prefix` is that of the topics."""
    if letter.record.role == CONNECTOR:
        return _from_kinesis(letter, limits, now)
    return _from_topic(letter, prefix)


def _from_kinesis(letter: Letter, limits: Limits, now: int) -> Retry | StillBad:
    record = letter.record
    told = letter.headers.get(ARRIVED_AT_HEADER, b"").decode(errors="replace")
    arrived_at = int(told) if told.isdecimal() else record.at
    place = Place(record.origin, 0, record.part)
    messages = messages_of(
        place, KinesisRecord(record.position, arrived_at, record.original), limits, now
    )
    bad = [message for message in messages if message.reason is not None]
    if messages and len(bad) == len(messages):
        return StillBad(f"{bad[0].reason}: {_detail(bad[0])}")
    # Of an array that could not be read as a whole some may be bad: those are new dead letters.
    return Retry(tuple(Put(message) for message in messages))


def _from_topic(letter: Letter, prefix: str) -> Retry | StillBad:
    record = letter.record
    name = record.origin.removeprefix(prefix)
    topic = next((each for each in ALL if each.name == name), None)
    if topic is None or name in _NOT_BACK_TO or not record.origin.startswith(prefix):
        return StillBad(f"{record.origin} is none of the topics that records are put back to")
    if not record.part.isdecimal() or int(record.part) >= topic.partitions:
        return StillBad(f"{record.origin} has no partition {record.part}")
    if not record.original:
        return StillBad(f"it holds no bytes: the record is on {record.origin}, if it is kept still")
    try:
        found = decode(record.original)
    except Undecodable as error:
        return StillBad(f"undecodable: {error}")
    if type(found).__name__ not in topic.records:
        return StillBad(f"wrong-type: a {type(found).__name__} is none of {name}'s records")
    message = Message(name, record.key, record.original, [])
    return Retry((Put(message, int(record.part)),))


def _detail(message: Message) -> str:
    return str(decode(message.value).detail)
