"""The task that a call leg belongs to, and the events of legs without a known task.

A call names its legs (`learned`). A state is kept for each leg (`resolve_event`, `add_alias`): its
task once that is known, and until then the events that wait for it. In any order and with any
repetition, the same events are returned under the task, except for those that wait too long or
exceed a limit.

Attributes can name a leg of another call, so several tasks may name one leg. Each of them gets the
leg's events, so that no task takes them from another, and each is informed of the others. The
strongest evidence is that Twilio shows the leg in a task's conference: the other tasks are informed
each time it does, because a leg can move to another conference and back. Only some of the tasks
that name a leg are kept. A task that is not kept is informed each time it names the leg.
"""

from collections.abc import Mapping
from dataclasses import replace

from pipeline.calls.claims import MAX_LATEST
from pipeline.calls.presence import latest_join
from pipeline.twilio.sids import SidKind, valid_sid
from schemas.codec import decode, encode
from schemas.fast_dataclass import dataclass
from schemas.records import Call, CallAlias, CallAliasState, CtiEvent, Fact, Leg, LegContested
from schemas.states import CallState

WAITING_MS = 4 * 60 * 60 * 1000
"""How long (ms) events wait for their task, counted from the leg's latest event."""

KEPT_MS = 28 * 60 * 60 * 1000
"""How long (ms) an alias is kept after the latest record of its leg: a call lasts at most 24 hours,
and its events arrive within 4 hours."""

MOST_WAITING = 64
MAX_OTHERS = 4
MAX_LISTED = MAX_LATEST + 1
"""The number of tasks with the leg in their conference that are kept: `MAX_LATEST` others that a
task is informed of, and the task itself."""
_MOST_BYTES = 2 * 1024 * 1024  # a state is one record: it must fit into 4 MB

_FACTS = ("customer_call_sid", "customer_joined", "worker_call_sid")


def learned(before: Call | None, after: Call) -> tuple[CallAlias, ...]:
    """Return the aliases that are new in a version of a call. A leg that joins the conference again
    gives a new alias."""
    if after.state == CallState.IGNORED:
        return ()
    shown = before if before is not None and before.state != CallState.IGNORED else None
    legs_before, named_before = (
        ((), set()) if shown is None else (shown.legs, _named_legs(shown.facts))
    )
    named = _named_legs(after.facts)
    if legs_before is after.legs and named == named_before:
        return ()
    known = {leg.call_sid: leg for leg in legs_before}
    changed = [leg for leg in after.legs if known.get(leg.call_sid) is not leg]
    joined = {leg.call_sid: at for leg in changed if (at := latest_join(leg)) is not None}
    new = named.union(leg.call_sid for leg in changed) - known.keys() - named_before
    new.update(sid for sid, at in joined.items() if _is_later(at, known.get(sid)))
    return tuple(
        CallAlias(sid, after.task_sid, joined.get(sid, after.cause_at), sid in joined)
        for sid in sorted(new)
        if valid_sid(SidKind.CALL, sid)
    )


@dataclass(frozen=True, slots=True)
class Resolved:
    """The state of a leg after a record (the same object: unchanged); the events that now belong to
    a task, in order, with its SID; and the records that inform tasks of others with the leg."""

    state: CallAliasState
    passed_on: tuple[CtiEvent, ...] = ()
    contested: tuple[LegContested, ...] = ()


@dataclass(frozen=True, slots=True)
class TooManyWaiting:
    """The event is not kept, because too many events of the leg wait already."""

    waiting: int


def resolve_event(
    call_sid: str, state: CallAliasState | None, event: CtiEvent, now: int
) -> Resolved | TooManyWaiting:
    """Handle an event of the leg at `now` (ms)."""
    known = _touched(state or _nothing(call_sid), now)
    if known.task_sid is not None:
        tasks = dict.fromkeys((known.task_sid, *known.other_task_sids, *known.listed_task_sids))
        return Resolved(known, tuple(replace(event, task_sid=task) for task in tasks))
    others = [decode(data) for data in known.waiting]
    if any((other.event_id, other.body) == (event.event_id, event.body) for other in others):
        return Resolved(known)
    data = encode(event)
    if len(others) >= MOST_WAITING or sum(map(len, known.waiting)) + len(data) > _MOST_BYTES:
        return TooManyWaiting(len(others))
    return Resolved(replace(known, waiting=(*known.waiting, data)))


def add_alias(call_sid: str, state: CallAliasState | None, alias: CallAlias, now: int) -> Resolved:
    """Note, at `now` (ms), that a task named the leg, or that Twilio showed it in the task's
    conference. Of the further tasks that name it, the first `MAX_OTHERS` are kept, and of the tasks
    with the leg in their conference the latest `MAX_LISTED`."""
    known = _touched(state or _nothing(call_sid), now)
    if known.task_sid is not None:
        return _also_named(known, alias)
    waiting = tuple(replace(decode(data), task_sid=alias.task_sid) for data in known.waiting)
    named = replace(known, task_sid=alias.task_sid, told_at=alias.at, waiting=())
    return Resolved(_with_listed(named, alias), waiting)


def _also_named(known: CallAliasState, alias: CallAlias) -> Resolved:
    """Inform a new task of the others, and the others of new evidence of the task."""
    task, others, listed = alias.task_sid, known.other_task_sids, listed_at(known)
    named = dict.fromkeys((known.task_sid or "", *others, *listed))
    is_new = task not in named
    is_kept = is_new and len(others) < MAX_OTHERS
    after = replace(known, other_task_sids=(*others, task)) if is_kept else known
    after = _with_listed(after, alias)
    is_shown = listed_at(after).get(task) != listed.get(task)
    contested: list[LegContested] = []
    for other in named:
        if other == task:
            continue
        if is_kept or is_shown:
            contested.append(_contested(after, alias, other, task))
        if is_new:
            contested.append(_contested(after, alias, task, other))
    return Resolved(known if after == known else after, (), tuple(contested))


def _contested(state: CallAliasState, alias: CallAlias, task: str, other: str) -> LegContested:
    """Return the record that informs `task` of `other`."""
    shown_at = listed_at(state).get(other)
    if shown_at is None:
        return LegContested(state.call_sid, task, other, max(alias.at, state.told_at))
    return LegContested(state.call_sid, task, other, shown_at, listed=True)


def listed_at(state: CallAliasState) -> dict[str, int]:
    """Return the tasks in whose conference Twilio showed the leg, the latest last, each with the
    time (ms) at which it last did so: 0 in a state without times."""
    times = state.listed_at or (0,) * len(state.listed_task_sids)
    return dict(zip(state.listed_task_sids, times, strict=True))


def _with_listed(state: CallAliasState, alias: CallAlias) -> CallAliasState:
    """Return the state with the alias's task added to those with the leg in their conference, if
    Twilio showed it there."""
    known = listed_at(state)
    if not alias.listed or alias.at <= known.get(alias.task_sid, -1):
        return state
    times = [(at, task) for task, at in {**known, alias.task_sid: alias.at}.items()]
    latest = sorted(times)[-MAX_LISTED:]
    return replace(
        state,
        listed_task_sids=tuple(task for _, task in latest),
        listed_at=tuple(at for at, _ in latest),
    )


def wakes_at(state: CallAliasState) -> int:
    """Return when (ms) the leg's waiting events or its alias are forgotten."""
    return state.latest_at + (WAITING_MS if state.task_sid is None else KEPT_MS)


def _nothing(call_sid: str) -> CallAliasState:
    return CallAliasState(call_sid, None, 0, 0, ())


def _touched(state: CallAliasState, now: int) -> CallAliasState:
    return state if now <= state.latest_at else replace(state, latest_at=now)


def _is_later(at: int, before: Leg | None) -> bool:
    """Return whether the leg had never joined the conference before `at`, or joined it last before
    `at`."""
    known = None if before is None else latest_join(before)
    return known is None or at > known


def _named_legs(facts: Mapping[str, Fact]) -> set[str]:
    return {facts[name].value for name in _FACTS if name in facts}
