"""Names for the bridge: one shard of one incarnation of a Kinesis stream. Pure."""

import re
from dataclasses import dataclass
from zlib import crc32

_GOLDEN = (5**0.5 - 1) / 2

LIVE = "live"
"""The checkpoint name of the live bridge."""


def transactional_id(name: str, kinesis_stream: str) -> str:
    """Return the common prefix of the transactional ids of a stream's shards (without the prefix of
    topics). `name`: the checkpoint name."""
    return f"bridge-{'' if name == LIVE else f'{name}-'}{kinesis_stream}-"


@dataclass(frozen=True, slots=True)
class Incarnation:
    """A Kinesis stream between its creation and its deletion. If it is created again under the same
    name (as an emulator does at every start) it is another one, with other sequence numbers."""

    kinesis_stream: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Place:
    """A shard under a checkpoint name. It has a checkpoint, a transactional id and a lease.
    With an empty `shard_id` it means the whole stream under that name."""

    kinesis_stream: str
    created_at: int
    shard_id: str
    name: str = LIVE

    @property
    def incarnation(self) -> Incarnation:
        """The incarnation of the stream that the shard belongs to."""
        return Incarnation(self.kinesis_stream, self.created_at)

    @property
    def key(self) -> str:
        """The key of its checkpoint on the checkpoint topic."""
        return f"{self.name}|{self.kinesis_stream}|{self.created_at}|{self.shard_id}"

    def lease(self, leases: int) -> int:
        """Return which of `leases` leases the shard belongs to. Shards are numbered in the order of
        their creation. Those that are read at the same time mostly have neighbouring numbers, and
        so neighbouring leases, which are assigned in turn."""
        number = re.fullmatch(r"shardId-(\d+)", self.shard_id)
        return (int(number[1]) if number else crc32(self.shard_id.encode())) % leases

    @property
    def phase(self) -> float:
        """The offset of its reads in an interval, 0 to 1: far apart for neighbouring numbers."""
        return self.lease(1_000_000) * _GOLDEN % 1

    @property
    def transactional_id(self) -> str:
        """The transactional id of its producer, without the prefix. It is the same in every
        process, so a process that takes the shard over fences the previous one."""
        return (
            f"{transactional_id(self.name, self.kinesis_stream)}{self.created_at}-{self.shard_id}"
        )
