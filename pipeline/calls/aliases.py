"""Which task a call leg belongs to, and the events of legs of which that is not known yet.

A call tells its legs (`learned`). Of each leg a state is kept (`heard`, `taught`): its task once it
is known, until then the events that wait for it. Whatever the order and however often each comes,
the same events come out under the task; only what waits too long, or is too much, does not.

Attributes can name a leg of another call. So several tasks may name one leg: each gets its events,
so that no task takes them from another, and each is informed of the others. A task of which Twilio
showed the leg in the conference counts most: the others are informed whenever there is such a task.
"""

from collections.abc import Mapping
from dataclasses import replace

from pipeline.twilio.sids import SidKind, valid_sid
from schemas.codec import decode, encode
from schemas.fast_dataclass import dataclass
from schemas.records import Call, CallAlias, CallAliasState, CtiEvent, Fact, LegContested
from schemas.states import CallState

WAITING_MS = 4 * 60 * 60 * 1000
"""How long events wait for their task, counted from the latest of their leg."""

KEPT_MS = 28 * 60 * 60 * 1000
"""How long an alias is kept after the latest record of its leg: a call lasts 24 hours, its events
come within 4."""

MOST_WAITING = 64
MAX_OTHERS = 4
_MOST_BYTES = 2 * 1024 * 1024  # a state is one record: it must fit into 4 MB

_FACTS = ("customer_call_sid", "customer_joined", "worker_call_sid")


def learned(before: Call | None, after: Call) -> tuple[CallAlias, ...]:
    """The aliases that a version of a call tells and the version before it did not."""
    if after.state == CallState.IGNORED:
        return ()
    if before is None or before.state == CallState.IGNORED:
        known: frozenset[str] = frozenset()
        listed = known
    elif before.legs is after.legs and _told(before.facts) == _told(after.facts):
        return ()
    else:
        known, listed = _call_sids(before), _joined(before)
    joined = _joined(after)
    new = sorted((_call_sids(after) - known) | (joined - listed))
    legs = (sid for sid in new if valid_sid(SidKind.CALL, sid))
    return tuple(CallAlias(sid, after.task_sid, after.cause_at, sid in joined) for sid in legs)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What is kept of a leg after a record (the very same object: nothing changed), the events
    that are now known to belong to a task, under it, in order, and which tasks contest the leg."""

    state: CallAliasState
    passed_on: tuple[CtiEvent, ...] = ()
    contested: tuple[LegContested, ...] = ()


@dataclass(frozen=True, slots=True)
class TooManyWaiting:
    """The event finds no room to wait."""

    waiting: int


def heard(
    call_sid: str, state: CallAliasState | None, event: CtiEvent, now: int
) -> Resolved | TooManyWaiting:
    """An event of the leg came at `now` (ms)."""
    known = _touched(state or _nothing(call_sid), now)
    if known.task_sid is not None:
        tasks = (known.task_sid, *known.other_task_sids)
        return Resolved(known, tuple(replace(event, task_sid=task) for task in tasks))
    others = [decode(data) for data in known.waiting]
    if any((other.event_id, other.body) == (event.event_id, event.body) for other in others):
        return Resolved(known)
    data = encode(event)
    if len(others) >= MOST_WAITING or sum(map(len, known.waiting)) + len(data) > _MOST_BYTES:
        return TooManyWaiting(len(others))
    return Resolved(replace(known, waiting=(*known.waiting, data)))


def taught(call_sid: str, state: CallAliasState | None, alias: CallAlias, now: int) -> Resolved:
    """A task named the leg, or Twilio showed it in the task's conference, at `now` (ms). Of further
    tasks that name it the first `MAX_OTHERS` are kept; of those with the leg in their conference,
    the latest. Any further task is informed of those that are kept."""
    known = _touched(state or _nothing(call_sid), now)
    if known.task_sid is not None:
        return _also_named(known, alias)
    waiting = tuple(replace(decode(data), task_sid=alias.task_sid) for data in known.waiting)
    listed = (alias.task_sid,) if alias.listed else ()
    named = replace(
        known, task_sid=alias.task_sid, told_at=alias.at, waiting=(), listed_task_sids=listed
    )
    return Resolved(named, waiting)


def _also_named(known: CallAliasState, alias: CallAlias) -> Resolved:
    task, others, listed = alias.task_sid, known.other_task_sids, known.listed_task_sids
    named = dict.fromkeys((known.task_sid or "", *others, *listed))
    is_new = task not in named
    is_newly_listed = alias.listed and task not in listed
    if not is_new and not is_newly_listed:
        return Resolved(known)
    is_kept = is_new and len(others) < MAX_OTHERS
    at = max(alias.at, known.told_at)
    contested: list[LegContested] = []
    for each in named:
        if each != task and (is_kept or is_newly_listed):
            contested.append(LegContested(known.call_sid, each, task, at, alias.listed))
        if each != task and is_new:
            contested.append(LegContested(known.call_sid, task, each, at, each in listed))
    after = replace(
        known,
        other_task_sids=(*others, task) if is_kept else others,
        listed_task_sids=(*listed, task)[-MAX_OTHERS:] if is_newly_listed else listed,
    )
    return Resolved(known if after == known else after, (), tuple(contested))


def wakes_at(state: CallAliasState) -> int:
    """When the leg is to be forgotten (ms): with what waits, or its alias."""
    return state.latest_at + (WAITING_MS if state.task_sid is None else KEPT_MS)


def _nothing(call_sid: str) -> CallAliasState:
    return CallAliasState(call_sid, None, 0, 0, ())


def _touched(state: CallAliasState, now: int) -> CallAliasState:
    return state if now <= state.latest_at else replace(state, latest_at=now)


def _call_sids(call: Call) -> frozenset[str]:
    return frozenset({leg.call_sid for leg in call.legs} | _told(call.facts))


def _joined(call: Call) -> frozenset[str]:
    """The legs that came into the call's conference: no attribute says so."""
    return frozenset(leg.call_sid for leg in call.legs if "joined" in leg.milestones)


def _told(facts: Mapping[str, Fact]) -> set[str]:
    return {facts[name].value for name in _FACTS if name in facts}
