"""CTI events from Kinesis, the bridge's bookkeeping, dead letters, and the clock."""

from collections.abc import Mapping

from ..fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class CtiEvent:
    """A CTI event as read from Kinesis, with the fields that are needed to key and order it."""

    event_id: str
    source: str
    type: str
    time: int | None
    arrived_at: int
    task_sid: str | None
    call_sid: str | None
    body: str
    kinesis_stream: str
    shard_id: str
    sequence_number: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be processed, unchanged, with the reason."""

    reason: str
    detail: str
    role: str
    origin: str
    part: str
    position: str
    at: int
    key: bytes | None
    original: bytes
    task_sid: str | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """The passing of time as a record. Cores use its Kafka timestamp as their clock; `at` is the
    tracker's estimate of log time when it wrote the record."""

    at: int


@dataclass(frozen=True, slots=True)
class ClockProbe:
    """A record to measure the log's clock with: the broker sets its append time, and `at` is the
    clock of the process's machine."""

    instance: str
    at: int


@dataclass(frozen=True, slots=True)
class BridgeCheckpoint:
    """How far a shard of a Kinesis stream has been bridged. Written in the same transaction as the
    events."""

    name: str
    kinesis_stream: str
    stream_created_at: int
    shard_id: str
    sequence_number: str | None
    finished: bool
    arrived_at: int | None
    at: int
    instance: str
    elements: int = 0


@dataclass(frozen=True, slots=True)
class BridgePeriod:
    """The part of a Kinesis stream that is bridged under a checkpoint name, if that is not the
    whole stream: `begins_at` inclusive, `ends_at` exclusive, compared with a record's arrival time
    in Kinesis."""

    name: str
    kinesis_stream: str
    stream_created_at: int
    begins_at: int | None
    ends_at: int | None
    at: int
    instance: str


@dataclass(frozen=True, slots=True)
class DeadLetterRetried:
    """A dead letter was retried. Written in the same transaction as the records that it led to."""

    partition: int
    offset: int
    given_up_at: int
    at: int
    outcome: str
    records: int


@dataclass(frozen=True, slots=True)
class DerivationProgress:
    """How far a derivation has come. Written in the same transaction as the derived records."""

    roles: tuple[str, ...]
    since: int | None
    until: int | None
    rules: str
    complete_from: int
    positions: Mapping[str, int]
    ends: Mapping[str, int]
    clock: int
    ends_at: int
    finished: bool
    taken: int
    written: int
    refused: int
