"""Facts for which the first statement holds, and the statements that contradict it.

Task and worker attributes can be rewritten by flows, plugins and the agent's browser while the task
runs. So for these facts (`FIRST_HOLDS`) the first value holds, by (version, time, event id),
because it was stated before an agent had the task. Each other stated value is kept beside it, under
`NAME=VALUE`, with the time of its first statement.

Theory: a fact with its contradictions is a map from value to its earliest stamp. Merging takes the
earliest stamp of each value, so it is commutative, associative and idempotent. Only the
`MAX_CLAIMS` earliest values are kept. The rank of a value can only decrease, so any order of events
keeps the same values.

For some facts (`LATEST_HOLDS`) the latest statement holds, and a value may be stated again later.
They are kept in the same way: the `MAX_LATEST` latest values, each with its latest stamp.
"""

from collections.abc import Iterator, Mapping, MutableMapping

from schemas.fast_dataclass import dataclass
from schemas.records import Call, Fact

FIRST_HOLDS = frozenset(
    {
        "direction", "customer", "customer_call_sid",  # of the task
        "customer_joined", "worker_call_sid",  # of the task's conference
        "extension", "contact_uri", "full_name", "worker_name", "team",  # of a reservation's worker
        "role", "other_task",  # of a leg
    }
)  # fmt: skip
"""The names of such facts. Each belongs to one kind of object."""

LATEST_HOLDS = frozenset({"listed_task"})
"""The names of facts of a leg for which the latest statement holds."""

MAX_CLAIMS = 10
"""The greatest number of values that are kept of one fact."""

MAX_LATEST = 4
"""The same for a fact for which the latest statement holds."""

SEPARATOR = "="
"""The separator of name and value in the name under which a contradiction is kept."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A value that contradicts an earlier one, which holds. `reservation_sid`: None for a fact of
    the task; `at`: when the value was first stated (ms)."""

    reservation_sid: str | None
    name: str
    value: str
    held: str
    at: int


def is_contradiction(name: str) -> bool:
    """Return whether a contradiction of a fact is kept under this name."""
    return SEPARATOR in name


def has_contradictions(facts: Mapping[str, Fact]) -> bool:
    """Return whether one of these facts is contradicted."""
    return SEPARATOR in "".join(facts)


def is_claim(name: str) -> bool:
    """Return whether facts of this name are merged by `put_claim`."""
    return name in FIRST_HOLDS or SEPARATOR in name or name in LATEST_HOLDS


def put_claim(facts: MutableMapping[str, Fact], name: str, fact: Fact) -> bool:
    """Merge one value of a fact into `facts`; return whether anything changed. `name` may be that
    of a contradiction."""
    name = name.partition(SEPARATOR)[0]
    if name in LATEST_HOLDS:
        return _put_latest(facts, name, fact)
    first = facts.get(name)
    if first is None:
        facts[name] = fact
        return True
    key = f"{name}{SEPARATOR}{fact.value}"
    known = first if first.value == fact.value else facts.get(key)
    if known is not None and _stamp(known) <= _stamp(fact):
        return False
    if first.value == fact.value:
        facts[name] = fact
    elif _stamp(fact) < _stamp(first):
        facts.pop(key, None)
        facts[name] = fact
        facts[f"{name}{SEPARATOR}{first.value}"] = first
    else:
        facts[key] = fact
    return _bound(facts, name, key)


def values_of(facts: Mapping[str, Fact], name: str) -> tuple[Fact, ...]:
    """Return all values that were stated for the fact. The first one holds."""
    first = facts.get(name)
    if first is None:
        return ()
    if name in LATEST_HOLDS:
        return tuple(sorted((first, *_others(facts, name)), key=_stamp, reverse=True))
    return (first, *_others(facts, name)) if has_contradictions(facts) else (first,)


def contradictions(call: Call) -> tuple[Contradiction, ...]:
    """Return the contradictions in a call, by time."""
    found: list[Contradiction] = []
    if has_contradictions(call.facts):
        found += (c for c in _contradictions(None, call.facts) if not _is_transfer(call, c))
    found += _other_customer(call.facts)
    for reservation in call.reservations:
        if has_contradictions(reservation.facts):
            found += _contradictions(reservation.sid, reservation.facts)
    return tuple(sorted(found, key=lambda c: (c.at, c.name, c.value, c.reservation_sid or "")))


def new_contradictions(before: Call | None, after: Call) -> tuple[Contradiction, ...]:
    """Return the contradictions of a version of a call that are not in the version before it."""
    if (
        before is not None
        and (before.facts is after.facts)
        and (before.reservations is after.reservations)
    ):
        return ()
    found = contradictions(after)
    if not found or before is None:
        return found
    known = {(c.reservation_sid, c.name, c.value) for c in contradictions(before)}
    return tuple(c for c in found if (c.reservation_sid, c.name, c.value) not in known)


def _contradictions(sid: str | None, facts: Mapping[str, Fact]) -> Iterator[Contradiction]:
    for key, fact in facts.items():
        name, is_one, _ = key.partition(SEPARATOR)
        if is_one:
            yield Contradiction(sid, name, fact.value, facts[name].value, fact.at)


def _other_customer(facts: Mapping[str, Fact]) -> Iterator[Contradiction]:
    """Yield the leg that the conference block first named as the customer's, if it is not the leg
    that the task named."""
    held, first = facts.get("customer_call_sid"), facts.get("customer_joined")
    if held is None or first is None or first.value == held.value:
        return
    if f"customer_call_sid{SEPARATOR}{first.value}" not in facts:
        yield Contradiction(None, "customer_joined", first.value, held.value, first.at)


def _is_transfer(call: Call, found: Contradiction) -> bool:
    """Return whether the worker's leg may have changed because another worker took over the
    call."""
    accepted = sum("accepted" in r.milestones for r in call.reservations)
    return found.name == "worker_call_sid" and accepted > 1


def _others(facts: Mapping[str, Fact], name: str) -> list[Fact]:
    prefix = name + SEPARATOR
    return sorted((fact for key, fact in facts.items() if key.startswith(prefix)), key=_stamp)


def _bound(facts: MutableMapping[str, Fact], name: str, put: str) -> bool:
    """Drop the latest value if there are too many. Return whether `put` was kept."""
    others = _others(facts, name)
    if len(others) < MAX_CLAIMS:
        return True
    surplus = f"{name}{SEPARATOR}{others[-1].value}"
    del facts[surplus]
    return surplus != put


def _put_latest(facts: MutableMapping[str, Fact], name: str, fact: Fact) -> bool:
    known = values_of(facts, name)
    if any(each.value == fact.value and _stamp(each) >= _stamp(fact) for each in known):
        return False
    others = [each for each in known if each.value != fact.value]
    kept = tuple(sorted((*others, fact), key=_stamp, reverse=True)[:MAX_LATEST])
    if kept == known:
        return False
    for each in known:
        facts.pop(f"{name}{SEPARATOR}{each.value}", None)
    facts[name] = kept[0]
    facts.update({f"{name}{SEPARATOR}{each.value}": each for each in kept[1:]})
    return True


def _stamp(fact: Fact) -> tuple[int, int, str, str]:
    return fact.version, fact.at, fact.event_id, fact.value
