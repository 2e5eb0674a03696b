"""What a derivation with one changed rule may differ in. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

EFFECTS = frozenset({"decisions", "gaps", "capture", "required", "required_ms", "captured_ms"})
"""The fields of a contact that follow from decisions."""
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of a call. `field`: as in `contacts.gaps[0].reason`."""

    task_sid: str
    field: str


def rule_effects(differences: Sequence[Difference], concerned: Mapping[str, bool]) -> list[str]:
    """Return the mistakes. `concerned`: the calls that the rule may concern; True: it must, since
    they were recorded because of it."""
    found = [
        f"{each.task_sid}: {each.field} differs, and the rule does not concern the call"
        for each in differences
        if each.task_sid not in concerned
    ]
    found += [
        f"{each.task_sid}: {each.field} is no effect of a decision"
        for each in differences
        if not _is_effect(each.field)
    ]
    differ = {each.task_sid for each in differences}
    found += [
        f"{task_sid} was recorded by the rule, and nothing differs without it"
        for task_sid in sorted(concerned)
        if concerned[task_sid] and task_sid not in differ
    ]
    return found


def _is_effect(field: str) -> bool:
    names = [part.partition("[")[0] for part in field.split(".")]
    return names[0] == "decisions" or (names[0] == "contacts" and names[1] in EFFECTS)


def shortened(found: Sequence[str]) -> list[str]:
    """Return the first of many lines."""
    more = len(found) - _NAMED
    return [*found[:_NAMED], *([f"and {more} more"] if more > 0 else [])]


def unlike(first: Mapping[str, str], second: Mapping[str, str], what: Collection[str]) -> list[str]:
    """Return the topic partitions of which the digests differ. `what`: those that must exist."""
    lacking = [f"nothing was derived on {name}" for name in what if not any(
        key.startswith(f"{name}-") for key in first
    )]  # fmt: skip
    return lacking + [
        f"{name}: the killed derivation wrote other records"
        for name in sorted(first.keys() | second.keys())
        if first.get(name) != second.get(name)
    ]
