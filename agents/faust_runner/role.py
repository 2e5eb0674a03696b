"""Declare a Faust role: a constant `RoleSpec`, and the `RoleParts` that a process makes when it
starts. docs/howto/add-a-role.md shows a whole role.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from agents.faust_runner.backlog import Backlog
from agents.faust_runner.core import Broadcasts, Core, Effects, Observe, Recall, Rules
from schemas.topics import CALL_PARTITIONS, DEAD_LETTERS, TICKS, Topic, changelog

S = TypeVar("S")

Partitions = Callable[[], frozenset[int]]
"""The partitions that this process owns now; empty during a rebalance or a recovery."""

Companion = Callable[[Partitions], Awaitable[None]]
"""Work that runs beside the agent until it is cancelled. If it raises or returns, the role ends."""

_NAME = re.compile("[a-z][a-z0-9-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSpec:
    """The parts of a role that are the same in every process and at any time.

    - `name`: also the name of its consumer group, and the first part of its table's name.
    - `sources`: the topics that it reads, besides `ticks`. Each has `CALL_PARTITIONS` partitions:
      the state of a key is on the partition of the key's records.
    - `targets`: the topics that it writes, besides dead letters. An output on another topic fails
      on a cluster with ACLs.
    - `gathering_s` > 0: the broker collects records for this time (s) before it answers a fetch,
      and of the steps of one key that arrive together only the last is carried out, with the last
      output on each topic; see `Handler`.

    Raise `ValueError` if the role could not run.
    """

    name: str
    sources: tuple[Topic, ...]
    targets: tuple[Topic, ...] = ()
    gathering_s: float = 0.0

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no name of a role: lower case, digits, hyphens")
        if not self.sources:
            raise ValueError(f"{self.name} has no source")
        for topic in self.sources:
            if topic.partitions != CALL_PARTITIONS:
                raise ValueError(
                    f"{self.name} cannot read {topic.name}: it has {topic.partitions} partitions, "
                    f"and the table has {CALL_PARTITIONS}"
                )

    @property
    def table(self) -> Topic:
        """The changelog of the role's table."""
        return changelog(self.name)

    @property
    def inputs(self) -> tuple[Topic, ...]:
        """The topics that the agent reads."""
        return (*self.sources, TICKS)

    @property
    def reads(self) -> tuple[Topic, ...]:
        """Every topic that the runner reads for the role."""
        return (*self.inputs, self.table)

    @property
    def writes(self) -> tuple[Topic, ...]:
        """Every topic that the runner writes for the role."""
        return (*self.targets, DEAD_LETTERS, self.table)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleParts(Generic[S]):
    """The parts of a role that exist only while it runs. All but `core` are optional.

    - `core` decides.
    - `effects` carries out the effects of a step outside Kafka.
    - `recall` restores the state of a key that is no longer in the table.
    - `rules` returns the version of the rules that `core` decides by at a time.
    - `broadcasts` handles records that concern all keys of a partition.
    - `observe` counts the steps of `core`.
    - `backlog` sees each record before `core` does.
    - `companions` run beside the agent.
    """

    core: Core[S]
    effects: Effects | None = None
    recall: Recall | None = None
    rules: Rules = lambda _: 0
    broadcasts: Broadcasts[S] | None = None
    observe: Observe | None = None
    backlog: Backlog | None = None
    companions: tuple[Companion, ...] = ()
