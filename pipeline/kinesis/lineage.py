"""Which shards may be read now: a parent is read to its end before its children are begun.

Splitting or merging closes a shard and makes children that go on with its keys. An event of a key
is in the parent before any of that key is in a child, so reading parents to their end first keeps
the order of every key. A parent that ListShards no longer shows has expired (its records are past
the retention), and there is nothing of it left to wait for.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

FORGET_AFTER_MS = 24 * 60 * 60 * 1000
"""A checkpoint younger than this is never forgotten."""

ABSENT_FOR_MS = 60 * 60 * 1000
"""So long must a shard have been missing from the list before its checkpoint is forgotten: one
listing that lacks it by mistake must not have it read again from its beginning."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard as ListShards shows it. `parents`: none, one (a split) or two (a merge)."""

    shard_id: str
    parents: tuple[str, ...] = ()
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with each listed shard; each is in exactly one of the three."""

    readable: frozenset[str]
    waiting: frozenset[str]
    done: frozenset[str]


def plan(shards: Iterable[Shard], finished: AbstractSet[str]) -> Plan:
    """What may be read of `shards`, when `finished` (shard ids) have been read to their end."""
    by_id = {shard.shard_id: shard for shard in shards}
    done = frozenset(by_id.keys() & finished)
    held_up = frozenset(
        shard.shard_id
        for shard in by_id.values()
        if any(parent in by_id and parent not in finished for parent in shard.parents)
    )
    waiting = held_up - done
    return Plan(frozenset(by_id) - done - waiting, waiting, done)


def is_after(sequence_number: str, position: str | None) -> bool:
    """Whether a record lies behind `position`. As integers: real ones have 56 digits, but an
    emulator's "10" comes after "9"."""
    return position is None or int(sequence_number) > int(position)


def forgettable(
    checkpoints: Mapping[str, int],
    listed: AbstractSet[str],
    absent_since: Mapping[str, int],
    now: int,
) -> tuple[frozenset[str], Mapping[str, int]]:
    """The checkpoints of shards that are gone for good, and since when each is missing.

    `checkpoints` says when each was written (ms), `listed` which of them have a shard in the list;
    pass the second value back as `absent_since` with the next listing.
    """
    absent = {key: absent_since.get(key, now) for key in checkpoints if key not in listed}
    due = frozenset(
        key
        for key, since in absent.items()
        if now - since >= ABSENT_FOR_MS and now - checkpoints[key] >= FORGET_AFTER_MS
    )
    return due, {key: since for key, since in absent.items() if key not in due}
