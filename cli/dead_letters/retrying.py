"""The records that a retry of a dead letter writes. Pure.

A record from Kinesis is read again with the present code, as the bridge reads it. A record from a
topic is written unchanged to the same partition, if the present code can decode it.
"""

from dataclasses import dataclass

from cli.dead_letters.letter import Letter
from pipeline.kinesis.messages import (
    ARRIVED_AT_HEADER,
    CONNECTOR,
    KinesisRecord,
    Message,
    SizeLimits,
    messages_of,
)
from pipeline.kinesis.shard_ref import Place
from schemas.codec import Undecodable, decode
from schemas.topics import ALL, DEAD_LETTERS, DEAD_LETTERS_RETRIED

PUT_BACK, NOTHING_TO_WRITE = "put-back", "nothing-to-write"

COMES_BACK = frozenset({"too-late"})
"""Reasons for which a retry would fail again. Such letters are put back only if they are selected
by ID or by reason."""

_NOT_BACK_TO = frozenset({DEAD_LETTERS.name, DEAD_LETTERS_RETRIED.name})


@dataclass(frozen=True, slots=True)
class Put:
    """A record to write: `topic` without prefix; `partition` None: chosen by the key."""

    message: Message
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class LetterRetry:
    """The letter can be put back: write these records. There are none if its events are not
    used."""

    puts: tuple[Put, ...]

    @property
    def outcome(self) -> str:
        """The outcome in a word, for the mark."""
        return PUT_BACK if self.puts else NOTHING_TO_WRITE


@dataclass(frozen=True, slots=True)
class StillBad:
    """The letter cannot be put back; `why` gives the reason."""

    why: str


def retry_of(letter: Letter, prefix: str, limits: SizeLimits, now: int) -> LetterRetry | StillBad:
    """Return the result of a retry of `letter`. `prefix`: that of the topics."""
    if letter.record.role == CONNECTOR:
        return _from_kinesis(letter, limits, now)
    return _from_topic(letter, prefix)


def _from_kinesis(letter: Letter, limits: SizeLimits, now: int) -> LetterRetry | StillBad:
    record = letter.record
    header = letter.headers.get(ARRIVED_AT_HEADER, b"").decode(errors="replace")
    arrived_at = int(header) if header.isdecimal() else record.at
    place = Place(record.origin, 0, record.part)
    messages = messages_of(
        place, KinesisRecord(record.position, arrived_at, record.original), limits, now
    )
    bad = [message for message in messages if message.reason is not None]
    if messages and len(bad) == len(messages):
        return StillBad(f"{bad[0].reason}: {_detail(bad[0])}")
    # If an array could not be read as a whole, some elements may be bad: new dead letters.
    return LetterRetry(tuple(Put(message) for message in messages))


def _from_topic(letter: Letter, prefix: str) -> LetterRetry | StillBad:
    record = letter.record
    name = record.origin.removeprefix(prefix)
    topic = next((each for each in ALL if each.name == name), None)
    if topic is None or name in _NOT_BACK_TO or not record.origin.startswith(prefix):
        return StillBad(f"{record.origin} is not a topic to which records are put back")
    if not record.part.isdecimal() or int(record.part) >= topic.partitions:
        return StillBad(f"{record.origin} has no partition {record.part}")
    if not record.original:
        return StillBad(f"it has no bytes: the record may still be on {record.origin}")
    try:
        found = decode(record.original)
    except Undecodable as error:
        return StillBad(f"undecodable: {error}")
    if type(found).__name__ not in topic.records:
        return StillBad(f"wrong-type: a {type(found).__name__} does not belong on {name}")
    message = Message(name, record.key, record.original, [])
    return LetterRetry((Put(message, int(record.part)),))


def _detail(message: Message) -> str:
    return str(decode(message.value).detail)
