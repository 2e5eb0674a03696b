"""Decide which shards may be read now: a parent is read to its end before its children. Pure.

A split or a merge closes a shard and creates children that take over its keys. All events of a key
are in the parent before any of that key is in a child, so reading parents to their end first keeps
the order of every key. A parent that ListShards no longer shows has expired (its records are past
the retention), so its children need not wait for it.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

FORGET_AFTER_MS = 24 * 60 * 60 * 1000
"""A checkpoint younger than this is never forgotten."""

ABSENT_FOR_MS = 60 * 60 * 1000
"""How long a shard must have been missing from the list before its checkpoint is forgotten. After
one wrong listing without it, it must not be read again from its beginning."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard as ListShards shows it. `parents`: none, one (after a split) or two (a merge)."""

    shard_id: str
    parents: tuple[str, ...] = ()
    closed: bool = False


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """The listed shards; each is in exactly one of the three sets."""

    readable: frozenset[str]
    waiting: frozenset[str]
    done: frozenset[str]


def plan(shards: Iterable[Shard], finished: AbstractSet[str]) -> ShardPlan:
    """Return which of `shards` may be read. `finished`: ids of shards read to their end."""
    by_id = {shard.shard_id: shard for shard in shards}
    done = frozenset(by_id.keys() & finished)
    held_up = frozenset(
        shard.shard_id
        for shard in by_id.values()
        if any(parent in by_id and parent not in finished for parent in shard.parents)
    )
    waiting = held_up - done
    return ShardPlan(frozenset(by_id) - done - waiting, waiting, done)


def is_after(sequence_number: str, position: str | None) -> bool:
    """Return whether a record comes after `position`. Compares integers: real sequence numbers have
    56 digits, but an emulator's "10" comes after "9"."""
    return position is None or int(sequence_number) > int(position)


def forgettable(
    checkpoints: Mapping[str, int],
    listed: AbstractSet[str],
    absent_since: Mapping[str, int],
    now: int,
) -> tuple[frozenset[str], Mapping[str, int]]:
    """Return the keys of the checkpoints of shards that are gone for good, and since when each
    missing shard has been missing.

    `checkpoints`: when each was written (ms), by key. `listed`: the keys with a shard in the list.
    Pass the second value back as `absent_since` with the next listing.
    """
    absent = {key: absent_since.get(key, now) for key in checkpoints if key not in listed}
    due = frozenset(
        key
        for key, since in absent.items()
        if now - since >= ABSENT_FOR_MS and now - checkpoints[key] >= FORGET_AFTER_MS
    )
    return due, {key: since for key, since in absent.items() if key not in due}
