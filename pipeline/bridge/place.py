"""Where the bridge is at work: one shard of one incarnation of a Kinesis stream. Pure."""

from dataclasses import dataclass

LIVE = "live"
"""The checkpoint name of the bridge that runs all the time."""


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

    @property
    def transactional_id(self) -> str:
        """Its producer's transactional id, before the prefix; the same in every process, so that
        who takes the shard over fences who had it."""
        name = "" if self.name == LIVE else f"{self.name}-"
        return f"bridge-{name}{self.kinesis_stream}-{self.created_at}-{self.shard_id}"
