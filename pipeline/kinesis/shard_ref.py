"""Where the bridge is at work: one shard of one incarnation of a Kinesis stream. Pure."""

import re
from dataclasses import dataclass
from zlib import crc32

_GOLDEN = (5**0.5 - 1) / 2

LIVE = "live"
"""The checkpoint name of the bridge that runs all the time."""


def transactional_id(name: str, kinesis_stream: str) -> str:
    """Return how the transactional ids of a stream's shards begin, before the prefix of topics.
    `name`: the checkpoint name."""
    return f"bridge-{'' if name == LIVE else f'{name}-'}{kinesis_stream}-"


@dataclass(frozen=True, slots=True)
class Incarnation:
    """A Kinesis stream between its making and its deletion: made again under the same name (and an
    emulator is with every start) it is another one, whose sequence numbers mean something else."""

    kinesis_stream: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Place:
    """A shard under a checkpoint name: what has a checkpoint, a transactional id, a lease.
    Without a shard (""): the whole stream under that name."""

    kinesis_stream: str
    created_at: int
    shard_id: str
    name: str = LIVE

    @property
    def incarnation(self) -> Incarnation:
        """The stream it belongs to."""
        return Incarnation(self.kinesis_stream, self.created_at)

    @property
    def key(self) -> str:
        """Its key on the checkpoint topic."""
        return f"{self.name}|{self.kinesis_stream}|{self.created_at}|{self.shard_id}"

    def lease(self, leases: int) -> int:
        """Which of so many leases it belongs to. Shards are numbered in the order in which they
        come about: those that are read at the same time mostly have neighbouring numbers, and so
        neighbouring leases, which are dealt out in turn."""
        number = re.fullmatch(r"shardId-(\d+)", self.shard_id)
        return (int(number[1]) if number else crc32(self.shard_id.encode())) % leases

    @property
    def phase(self) -> float:
        """0 to 1: far apart for shards with neighbouring numbers."""
        return self.lease(1_000_000) * _GOLDEN % 1

    @property
    def transactional_id(self) -> str:
        """Its producer's transactional id, before the prefix; the same in every process, so that
        who takes the shard over fences who had it."""
        return (
            f"{transactional_id(self.name, self.kinesis_stream)}{self.created_at}-{self.shard_id}"
        )
