"""Compute the required time, in which a call had to be recorded, from all its events and the
monitored list. Pure.

The final state of the events applies to the whole call: direction, legs, extensions, queues, and
which ends were final. Sessions and transfers begin and end at the times in the events, whenever
these arrived. So the required time is a function of the set of events and the versions of the list.
While the call is active, it extends up to now.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from pipeline.calls.presence import was_answered
from pipeline.calls.sessions import CallSession, task_done
from pipeline.calls.view import TRANSFER_ENDS, CallView, outside_parties
from pipeline.calls.workers import value
from pipeline.contacts.spans import Span, common, normalized
from pipeline.policy.decide import BRIDGE_MS, PENDING_LIMIT_MS, decide
from pipeline.policy.monitored_list import PolicyHistory
from schemas.records import Call, Leg, Transfer
from schemas.states import CallState, Direction

_FOREVER = 1 << 62


def required(
    call: Call, seen: CallView, history: PolicyHistory, streamed_at: int | None, now: int
) -> tuple[Span, ...]:
    """Return the time in which the call had to be recorded, normalized.

    `seen` must be the call's view. `streamed_at`: when the first media stream of the call was
    opened (ms), None if there was none. `now` (ms) ends the required time of an active call.
    """
    since = evidence(call, seen, streamed_at)
    if since is None or seen.state not in (CallState.ACTIVE, CallState.ENDED):
        return ()
    until = now if seen.state == CallState.ACTIVE else _FOREVER
    return common(_recorded(call, seen, history), ((since, max(since, until)),))


def evidence(call: Call, seen: CallView, streamed_at: int | None) -> int | None:
    """Return the time (ms) of the first evidence of a customer's leg; None if there is none."""
    if seen.direction == Direction.OUTBOUND:
        answered = _outbound_answered(call, seen)
        return streamed_at if answered is None else answered
    if seen.direction != Direction.INBOUND:
        return None
    if value(call.facts, "customer_call_sid") is not None:
        return seen.started_at
    joined = _answer_times((*seen.legs.customers, *seen.legs.unknown))
    return min(joined) if joined else streamed_at


def _outbound_answered(call: Call, seen: CallView) -> int | None:
    """Return when the called party answered (ms), as far as events show it.

    The fact has the time of the last event that mentioned the customer in the conference, the
    milestone that of the first one. Calls from earlier versions have only the fact.
    """
    joined = _answer_times(seen.legs.customers)
    if (mentioned := call.milestones.get("customer-joined")) is not None:
        joined.append(mentioned)
    elif (fact := call.facts.get("customer_joined")) is not None:
        joined.append(fact.at)
    if joined:
        return min(joined)
    return min(_answer_times(outside_parties(seen.legs, seen.sessions)), default=None)


def _answer_times(legs: Iterable[Leg]) -> list[int]:
    """Return when each answered leg was answered (ms): it joined the conference, or picked up."""
    return [
        min(leg.milestones[name] for name in ("joined", "answered") if name in leg.milestones)
        for leg in legs
        if was_answered(leg)
    ]


def _recorded(call: Call, seen: CallView, history: PolicyHistory) -> tuple[Span, ...]:
    """Return the time in which the policy says `record`. Between two moments of `_moments` its
    answer does not change."""
    attended = _attended(seen)
    spans: list[Span] = []
    since: int | None = None
    for at in _moments(call, seen, history, attended):
        if since is None and not _is_in(attended, at):
            continue  # without a worker on the call no recording begins
        decision = decide(_view_at(call, seen, at), history, at)
        is_recorded = decision.record and (decision.begins or since is not None)
        if is_recorded and since is None:
            since = at
        elif not is_recorded and since is not None:
            spans.append((since, at))
            since = None
    return normalized([*spans, *([] if since is None else [(since, _FOREVER)])])


def _attended(seen: CallView) -> tuple[Span, ...]:
    """Return the time in which at least one worker was on the call."""
    return normalized(span for session in seen.sessions for span in _presence(session))


def _presence(session: CallSession) -> Iterator[Span]:
    """Yield the time in which the worker was on the call, without the absences."""
    since = session.started_at
    if since is None:
        return
    for gone, back in session.absences:
        yield since, gone
        since = back
    yield since, _FOREVER if session.ended_at is None else session.ended_at


def _is_in(spans: Sequence[Span], at: int) -> bool:
    found = bisect_right(spans, (at, _FOREVER)) - 1
    return found >= 0 and at < spans[found][1]


def _moments(
    call: Call, seen: CallView, history: PolicyHistory, attended: Sequence[Span]
) -> Sequence[int]:
    """Return every time at which the policy's answer may change, in order. Offers and deadlines
    matter only while no worker is on the call: a call may have hundreds of offers."""
    alone = {at for session in seen.sessions for at in _deadlines(session)}
    found = {at for at in alone if not _is_in(attended, at)}
    for session in seen.sessions:
        if session.started_at is not None:
            found.add(session.started_at)
            found |= set() if session.ended_at is None else {session.ended_at}
            found |= {at for absence in session.absences for at in absence}
        until = _FOREVER if session.ended_at is None else session.ended_at + BRIDGE_MS
        found |= set(history.workers.changes(session.worker_sid, session.created_at, until))
    for transfer in seen.transfers:
        found |= set(_transfer_times(transfer))
    found |= {at for at in (seen.definitive_end, task_done(call)) if at is not None}
    if not found or not attended:
        return ()
    # After the last of these times, only a new version of the list changes an active call.
    last = max(found) if seen.state == CallState.ENDED else _FOREVER
    return sorted(found | set(history.changes(min(found), last)))


def _deadlines(session: CallSession) -> Iterator[int]:
    """Yield the times between which a session that is not open can keep a recording running: the
    worker is being called, or has just left."""
    yield session.created_at
    yield session.created_at + PENDING_LIMIT_MS
    for gone, back in session.absences:
        yield from (gone, gone + BRIDGE_MS, back)
    if session.ended_at is not None:
        yield session.ended_at
        yield session.ended_at + BRIDGE_MS


def _transfer_times(transfer: Transfer) -> Iterator[int]:
    for name in ("initiated", *TRANSFER_ENDS):
        if name in transfer.milestones:
            yield transfer.milestones[name]


def _view_at(call: Call, seen: CallView, at: int) -> CallView:
    """Return the call as it was at a moment (ms), without later times."""
    end = _reached(seen.definitive_end, at)
    is_over = end is not None or _reached(task_done(call), at) is not None
    return replace(
        seen,
        state=CallState.ENDED if is_over else CallState.ACTIVE,
        definitive_end=end,
        ended_at=_reached(seen.ended_at, at),
        sessions=tuple(_session_at(s, at) for s in seen.sessions if _first_time(s) <= at),
        transfers=tuple(_transfer_at(t, at) for t in seen.transfers),
    )


def _first_time(session: CallSession) -> int:
    if session.started_at is None:
        return session.created_at
    return min(session.created_at, session.started_at)


def _session_at(session: CallSession, at: int) -> CallSession:
    if (session.ended_at or _FOREVER) <= at:
        return session
    gone = next((gone for gone, back in session.absences if gone <= at < back), None)
    return replace(
        session,
        started_at=_reached(session.started_at, at),
        ended_at=_reached(session.ended_at, at) if gone is None else gone,
        is_absent=gone is not None,
    )


def _transfer_at(transfer: Transfer, at: int) -> Transfer:
    reached = {name: then for name, then in transfer.milestones.items() if then <= at}
    return replace(transfer, milestones=reached)


def _reached(time: int | None, at: int) -> int | None:
    return None if time is None or time > at else time
