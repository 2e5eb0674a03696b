"""The differences between two versions of a call, as phrases for people. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.calls.workers import extension
from schemas.records import Call, Connection, Fact

_LEG_FACTS = ("role", "label", "coaching", "muted", "call_status", "conference_status")


def changes(before: Call | None, after: Call) -> tuple[str, ...]:
    """Return the news in `after`, each as a short phrase; `before` None: everything. Empty if
    only times or details changed."""
    found = [
        *_values("", _top(before), _top(after)),
        *_connections(before.connections if before else (), after.connections),
        *_steps("task", before.milestones if before else {}, after.milestones),
        *_parties("reservation", _by(before, "reservations", "sid"), after.reservations, "sid"),
        *_parties("transfer", _by(before, "transfers", "sid"), after.transfers, "sid"),
        *_parties("leg", _by(before, "legs", "call_sid"), after.legs, "call_sid"),
        *_parties(
            "media stream",
            _by(before, "media_streams", "stream_sid"),
            after.media_streams,
            "stream_sid",
        ),
        *_values("", _texts(before.facts if before else {}), _texts(after.facts)),
    ]
    return tuple(dict.fromkeys(found))


def _top(call: Call | None) -> dict[str, str | None]:
    return {} if call is None else {"state": call.state, "direction": call.direction}


def _values(
    whose: str, before: Mapping[str, str | None], after: Mapping[str, str | None]
) -> Iterator[str]:
    for name, new in after.items():
        old = before.get(name)
        if new is not None and new != old:
            yield f"{whose}{name} {new}" if old is None else f"{whose}{name} {old} -> {new}"


def _connections(before: Iterable[Connection], after: Iterable[Connection]) -> Iterator[str]:
    known = {c.reservation_sid: c.state for c in before}
    for connection in after:
        who = f"{connection.extension or connection.reservation_sid} "
        old, new = known.get(connection.reservation_sid), connection.state
        yield from _values("", {who.strip(): old}, {who.strip(): new})


def _steps(who: str, before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[str]:
    for step in sorted(set(after) - set(before), key=lambda step: (after[step], step)):
        yield f"{who} {step}"
    for step in sorted(set(after) & set(before)):
        if after[step] != before[step]:
            yield f"{who} {step} was earlier"


def _parties(kind: str, known: Mapping[str, Any], after: Iterable[Any], key: str) -> Iterator[str]:
    for party in after:
        sid = getattr(party, key)
        before = known.get(sid)
        who = f"{kind} {_name(party) or sid}"
        yield from _steps(who, before.milestones if before else {}, party.milestones)
        old = _of(before.facts if before else {}, _LEG_FACTS) if kind == "leg" else {}
        new = _of(party.facts, _LEG_FACTS) if kind == "leg" else {}
        yield from _values(f"{who} ", old, new)
        if before is None and not party.milestones and not new:
            yield who


def _name(party: Any) -> str | None:
    return extension(party.facts) if hasattr(party, "sid") else None


def _by(call: Call | None, field: str, key: str) -> dict[str, Any]:
    return {} if call is None else {getattr(party, key): party for party in getattr(call, field)}


def _texts(facts: Mapping[str, Fact]) -> dict[str, str | None]:
    return {name: fact.value for name, fact in facts.items() if name != "direction"}


def _of(facts: Mapping[str, Fact], names: Iterable[str]) -> dict[str, str | None]:
    return {name: facts[name].value for name in names if name in facts}
