"""The legs of a call in the model: the party of each, since when, and whether it is gone."""

from dataclasses import dataclass, replace
from typing import Any

from tests.system.model.identities import Identity, Traits, identities
from tests.system.model.reading import Statement, attributes
from tests.system.model.words import direction_of, text

_GONE = {"completed", "busy", "no-answer", "failed", "canceled"}
_REFUSED = {"busy", "no-answer", "failed", "canceled"}
_SECOND = 1_000


@dataclass(frozen=True)
class Leg:
    """A leg. `party`: customer, worker, supervisor or unknown; `owners`: the reservations of its
    worker, by its names; `way`: by which rule it is the customer's.
    `in_since` None: it is not in the conference; `left_at` None: it is not gone;
    `traits`: the statements about it."""

    call_sid: str
    party: str
    owners: frozenset[str]
    joined_at: int | None
    in_since: int | None
    left_at: int | None
    was_on: bool
    is_held: bool
    was_refused: bool
    traits: Traits
    way: str = ""

    def part_of(self, created: dict[str, int]) -> str | None:
        """The worker's part that the leg belongs to: of several parts the last one for which the
        worker was asked when the leg came (callbacks are to the second). None: it never came."""
        seen_at = self.joined_at if self.was_on else self.left_at
        if seen_at is None:
            return None
        own = sorted((at, sid) for sid, at in created.items() if sid in self.owners)
        before = [sid for at, sid in own if at < seen_at + _SECOND]
        return before[-1] if before else None


def legs_of(
    statements: list[Statement], task: dict[str, Any], people: dict[str, dict[str, Any]]
) -> list[Leg]:
    """The call's legs by all statements; `task`, `people`: the facts of the task and of each
    reservation's worker."""
    named = _named(statements)
    spoken = {s["leg"] for s in statements if s["leg"]}
    legs = [_leg(sid, statements, named) for sid in sorted(spoken | set(named))]
    found = identities([leg.traits for leg in legs], task, people, _accepted(statements))
    return [_owned(leg, found[leg.call_sid]) for leg in legs]


def _owned(leg: Leg, identity: Identity) -> Leg:
    return replace(leg, party=identity.party, owners=identity.owners, way=identity.way)


def _accepted(statements: list[Statement]) -> dict[str, int]:
    """When each reservation was accepted."""
    found: dict[str, int] = {}
    for each in statements:
        sid = text(each["words"].get("reservation_sid"))
        if each["subject"] == "reservation" and each["step"] == "accepted" and sid:
            found[sid] = min(each["at"], found.get(sid, each["at"]))
    return found


def _named(statements: list[Statement]) -> dict[str, list[str]]:
    """The legs that the task's attributes ever named, by the role they were named in, in order."""
    named: dict[str, list[str]] = {}
    router = [s for s in statements if s["subject"] in ("task", "reservation")]
    for each in sorted(router, key=lambda s: (s["at"], s["id"])):
        task = attributes(each["words"].get("task_attributes"))
        people = (task.get("conference") or {}).get("participants") or {}
        worker, customer = text(people.get("worker")), text(people.get("customer"))
        if direction_of(task) == "inbound":
            customer = text(task.get("call_sid")) or customer
        for leg, role in {worker: "worker", customer: "customer"}.items():
            if leg:
                named.setdefault(leg, []).append(role)
    return named


def _leg(call_sid: str, statements: list[Statement], named: dict[str, list[str]]) -> Leg:
    words: dict[str, str] = {}
    joined = left = in_since = None
    joins: list[tuple[int, int, int, str]] = []
    for each in _in_order(statements, call_sid, "participant"):
        words |= _words(each)
        if each["step"] == "join":
            joins.append((each["at"] // _SECOND, each["number"] or 0, each["at"], each["id"]))
            joined, left, in_since = min(joined or each["at"], each["at"]), None, each["at"]
        if each["step"] == "leave":
            left, in_since = each["at"], None
    answered, gone, statuses = None, None, set()
    for each in _in_order(statements, call_sid, "call"):
        status = str(each["words"].get("CallStatus") or each["step"]).strip().lower()
        words |= _ends(each)
        statuses = {status}
        over = status in _GONE or each["step"] == "completed"
        talks = not over and (each["step"] == "answered" or status == "in-progress")
        joins += (
            [(each["at"] // _SECOND, each["number"] or 0, each["at"], each["id"])] if talks else []
        )
        answered = min(answered or each["at"], each["at"]) if talks else answered
        gone = min(gone or each["at"], each["at"]) if over else gone
    left = min((at for at in (left, gone) if at is not None), default=None)
    return Leg(
        call_sid=call_sid,
        party="unknown",
        owners=frozenset(),
        joined_at=min((at for at in (joined, answered) if at is not None), default=None),
        in_since=in_since,
        left_at=left,
        was_on=joined is not None or answered is not None,
        is_held=words.get("hold") == "true" and left is None,
        was_refused=bool(statuses & _REFUSED),
        traits=Traits(
            call_sid=call_sid,
            label=words.get("label", ""),
            end=words.get("from" if words.get("direction") == "inbound" else "to", ""),
            flags=frozenset(n for n in ("coaching", "muted") if words.get(n) == "true"),
            roles=tuple(named.get(call_sid, ())),
            joined=min(joins, default=None),
            left_at=left,
        ),
    )


def _ends(statement: Statement) -> dict[str, str]:
    words = statement["words"]
    learnt = {"to": text(words.get("To")), "from": text(words.get("From"))}
    direction = (text(words.get("Direction")) or "").lower()
    learnt["direction"] = direction or None
    return {name: value for name, value in learnt.items() if value is not None}


def _in_order(statements: list[Statement], call_sid: str, subject: str) -> list[Statement]:
    own = [s for s in statements if s["leg"] == call_sid and s["subject"] == subject]
    return sorted(own, key=lambda s: (s["at"] // _SECOND, s["number"] or 0, s["at"], s["id"]))


def _words(statement: Statement) -> dict[str, str]:
    words, step = statement["words"], statement["step"]
    learnt = {"label": text(words.get("ParticipantLabel"))}
    flag = str(words.get("Coaching")).lower()
    learnt["coaching"] = flag if flag in ("true", "false") else None
    held = step == "hold" or (step == "join" and str(words.get("Hold")).lower() == "true")
    if step == "join":
        learnt["muted"] = str(words.get("Muted")).lower()
    learnt["hold"] = "true" if held else "false" if step == "unhold" else None
    return {name: value for name, value in learnt.items() if value is not None}
