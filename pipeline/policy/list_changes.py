"""How a changed monitored list takes effect: additions at once, a large loss only if it is
intended.

A list shrinks if it loses more than half of its entries (`!queue` lines aside; of up to three
entries: all of them), or `*`. A list that shrinks is held back until it is accepted, or was
unchanged for long enough. Meanwhile the entries in force stay in force, `!queue` lines included,
and the new list's additions take effect.

The loss is measured against the *base*, the last list that came into force exactly as in its file.
If it were measured against the entries in force, which include the additions, a list in which all
entries were replaced would seem to lose only half of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.policy.monitored_list import EXCLUSION
from pipeline.policy.versions import content_hash

FEW = 3
"""A list with at most this many entries shrinks only if it becomes empty."""

EVERYONE = "*"


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a monitored list: entries in normal form, sorted, and the two switches."""

    entries: tuple[str, ...]
    record_inbound: bool
    record_outbound: bool

    @property
    def hash(self) -> str:
        """The content hash, as in `RecordingPolicy.hash`."""
        inbound, outbound = self.record_inbound, self.record_outbound
        return content_hash(self.entries, inbound=inbound, outbound=outbound)


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A list that is held back: the entries of the base that it lacks, the entries that it adds,
    and the number of entries in force; without `!queue` lines."""

    lost: tuple[str, ...]
    added: tuple[str, ...]
    in_force: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The entries that must be in force now, and the list that is held back, if any."""

    entries: tuple[str, ...]
    held_back: HeldBack | None = None


def plan(
    base: Iterable[str],
    in_force: Iterable[str],
    wanted: Iterable[str],
    *,
    accepted: bool,
    unchanged_ms: int,
    shrink_ms: int,
) -> Plan:
    """Return the part of a list with the entries `wanted` that takes effect now.

    `base`: the entries of the last list that came into force exactly as in its file; `in_force`:
    the entries in force; `accepted`: whether a person accepted this change; `unchanged_ms`: for how
    long `wanted` has been the list; `shrink_ms`: after how long a list that shrinks takes effect
    without being accepted.
    """
    base, in_force, wanted = frozenset(base), frozenset(in_force), frozenset(wanted)
    if accepted or unchanged_ms >= shrink_ms or not shrinks(base, wanted):
        return Plan(tuple(sorted(wanted)))
    held_back = HeldBack(
        lost=tuple(sorted(_named(base - wanted))),
        added=tuple(sorted(_named(wanted - base))),
        in_force=len(_named(in_force)),
    )
    return Plan(tuple(sorted(in_force | wanted)), held_back)


def shrinks(base: Iterable[str], wanted: Iterable[str]) -> bool:
    """Return whether a list with the entries `wanted` loses too much of `base`."""
    had, left = _named(base), _named(wanted)
    lost = had - left
    if EVERYONE in lost:
        return True
    return bool(lost) and (not left if len(had) <= FEW else 2 * len(lost) > len(had))


def _named(entries: Iterable[str]) -> frozenset[str]:
    return frozenset(entry for entry in entries if not entry.startswith(EXCLUSION))
