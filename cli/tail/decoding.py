"""Decode a record of Kafka with the bundled schemas. Pure."""

from dataclasses import dataclass
from typing import Any

from schemas.codec import Undecodable, decode


@dataclass(frozen=True, slots=True)
class Shown:
    """A record of Kafka.

    `value`: the decoded record; None if there is none. `error`: why `raw` cannot be decoded. A
    record with neither is a tombstone.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: str | None
    value: Any
    raw: bytes | None
    error: str | None = None

    @property
    def type(self) -> str | None:
        """The name of the record type."""
        return None if self.value is None else type(self.value).__name__


def decoded(record: Any) -> Shown:
    """Return a consumed record, decoded if possible."""
    key = None if record.key is None else record.key.decode(errors="backslashreplace")
    value, error = None, None
    if record.value is not None:
        try:
            value = decode(record.value)
        except Undecodable as problem:
            error = str(problem)
    place = (record.topic, record.partition, record.offset, record.timestamp)
    return Shown(*place, key, value, record.value, error)


def is_of_task(record: Shown, task_sid: str) -> bool:
    """Return whether the record's key or its field `task_sid` names the task."""
    return task_sid in (record.key, getattr(record.value, "task_sid", None))
