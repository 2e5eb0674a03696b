"""Compare the lake with the log: each record once, and the same answers to the same questions."""

from collections.abc import Mapping
from dataclasses import dataclass

Place = tuple[str, int]
"""A topic, with its prefix, and a partition."""
Answers = Mapping[str, Mapping[tuple[object, ...], tuple[object, ...]]]
"""By question and group: the values."""

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Landed:
    """The records of a partition in the lake: their number, that of different offsets, and the
    first and the last offset."""

    records: int
    offsets: int
    first: int
    last: int


def not_once(ends: Mapping[Place, int], lake: Mapping[Place, Landed]) -> list[str]:
    """Return the records not in the lake exactly once. `ends`: the end of each log partition,
    which begins at 0 and has a record at each offset."""
    found = [
        f"{topic}-{number}: {lake.get((topic, number))} of the offsets 0 to {end - 1}"
        for (topic, number), end in sorted(ends.items())
        if end and lake.get((topic, number)) != Landed(end, end, 0, end - 1)
    ]
    unknown = sorted(place for place in lake if not ends.get(place))
    return found + [f"{topic}-{number} is in the lake and empty" for topic, number in unknown]


def differing(log: Answers, lake: Answers) -> list[str]:
    """Return the questions to which log and lake give different answers."""
    found = []
    for question in sorted(log.keys() | lake.keys()):
        ours, theirs = log.get(question, {}), lake.get(question, {})
        groups = [g for g in {**ours, **theirs} if ours.get(g) != theirs.get(g)]
        found += [
            f"{question} of {group}: {ours.get(group)} by the log, {theirs.get(group)} by the lake"
            for group in groups[:_NAMED]
        ]
    return found
