"""Compare the records that a read-committed consumer must have seen with those it saw. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Parents = Mapping[str, tuple[str, ...]]
"""The parents of every shard there was."""

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Put:
    """A record that was put into Kinesis, and its place according to Kinesis. `number`: of one
    event, or of a record of `rubbish`. The events of an array have the same sequence number."""

    number: int
    key: str
    shard_id: str
    sequence_number: str
    rubbish: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What a consumer saw on `cti.events`, or, of rubbish, on `cti.dead-letters`."""

    number: int
    partition: int
    offset: int
    key: str
    shard_id: str
    sequence_number: str
    rubbish: bool = False


def problems(put: Sequence[Put], seen: Sequence[Seen], parents: Parents) -> list[str]:
    """Return the mistakes; none if each record was seen once, from its place, and in the order of
    each shard's lineage."""
    found = _counted("event", put, seen, rubbish=False)
    found += _counted("record of rubbish", put, seen, rubbish=True)
    found += _misplaced(put, seen)
    by_partition: dict[tuple[bool, int], list[Seen]] = defaultdict(list)
    for each in seen:
        by_partition[each.rubbish, each.partition].append(each)
    for events in by_partition.values():
        found += _disorder(sorted(events, key=lambda each: each.offset), parents)
    return found


def unfinished(closed: Iterable[str], finished: Iterable[str]) -> list[str]:
    """Closed shards of which no checkpoint says that they are read to their end."""
    return [f"{shard} is closed and not finished" for shard in sorted(set(closed) - set(finished))]


def _counted(what: str, put: Sequence[Put], seen: Sequence[Seen], *, rubbish: bool) -> list[str]:
    wanted = {each.number for each in put if each.rubbish is rubbish}
    times = Counter(each.number for each in seen if each.rubbish is rubbish)
    kinds = {
        "never came": sorted(wanted - times.keys()),
        "came more than once": sorted(n for n, count in times.items() if count > 1),
        "came, and was never put": sorted(times.keys() - wanted),
    }
    return [f"{what} {_named(numbers)} {how}" for how, numbers in kinds.items() if numbers]


def _named(numbers: Sequence[int]) -> str:
    more = len(numbers) - _NAMED
    shown = ", ".join(str(number) for number in numbers[:_NAMED])
    return shown + (f" and {more} more" if more > 0 else "")


def _misplaced(put: Sequence[Put], seen: Sequence[Seen]) -> list[str]:
    place = {(p.rubbish, p.number): (p.key, p.shard_id, p.sequence_number) for p in put}
    wrong = [
        each.number
        for each in seen
        if place.get((each.rubbish, each.number), at := _place_of(each)) != at
    ]
    return [f"{_named(sorted(wrong))}: not from the place that Kinesis returned"] if wrong else []


def _place_of(seen: Seen) -> tuple[str, str, str]:
    return seen.key, seen.shard_id, seen.sequence_number


def _disorder(events: Sequence[Seen], parents: Parents) -> list[str]:
    """Of one partition: each shard's events in order, and no event of a shard after one of its
    children."""
    found: list[str] = []
    last: dict[str, tuple[int, int]] = {}
    over: set[str] = set()
    for each in events:
        at = (int(each.sequence_number), each.number)
        if at <= last.get(each.shard_id, (-1, -1)):
            found.append(f"{each.number} came after a later one of {each.shard_id}")
        if each.shard_id in over:
            found.append(f"{each.number} of {each.shard_id} came after one of its children")
        if each.shard_id not in last:
            over |= ancestors(each.shard_id, parents)
        last[each.shard_id] = max(at, last.get(each.shard_id, at))
    return found


def ancestors(shard_id: str, parents: Parents) -> set[str]:
    """Return all ancestors of a shard."""
    found: set[str] = set()
    ahead = list(parents.get(shard_id, ()))
    while ahead:
        each = ahead.pop()
        if each not in found:
            found.add(each)
            ahead += parents.get(each, ())
    return found
