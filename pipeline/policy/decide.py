"""Decide whether a call is recorded, from the call, the monitored list and the time. The first rule
that applies decides:

1. A task that is not a voice call is not recorded, nor is a call that is internal or may still be
   internal. If a monitored agent accepted and the direction is not known 5 s later, that is
   published.
2. A call of a direction that is switched off is not recorded.
3. A call that is over is not recorded.
4. A call with a monitored agent on it is recorded.
5. During a transfer a recording continues, but does not begin: no agent is on the call, the last
   agent to leave was monitored then or has been since, and a monitored agent is being called, or
   for a second may be.
6. Any other call is not recorded: the queue is excluded, the agent is no longer on the list, the
   agent's leg is gone although the reservation is open, or no agent on the call was ever monitored.

An agent is monitored if the list names the agent and the queue is not excluded. Earlier decisions
do not matter: the result depends on the call's summary, the versions of the list and `now`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.calls.sessions import CallSession
from pipeline.calls.view import TRANSFER_ENDS, CallView
from pipeline.policy.monitored_list import PolicyHistory, is_excluded
from schemas.records import RecordingPolicy, Transfer
from schemas.states import CallState, Direction, ReasonCode, RecordingDecision

BRIDGE_MS = 1_000
"""How long (ms) after the last monitored worker left the events of a transfer may still arrive."""

PENDING_LIMIT_MS = 10 * 60_000
"""The longest time (ms) for which an unanswered reservation counts as pending."""

DIRECTION_MS = 5_000
"""How long (ms) after a monitored agent accepted the call's direction may still become known."""

NO_DIRECTION = "no-direction"
"""The kind of reason for a call that may be internal, because its direction is not known."""

NONE_MONITORED = "no monitored agent"
LAST_LEFT = "last monitored agent left"

NO_END = "no end within 24 hours"

NOBODY_MONITORED = frozenset({"none", "absent", "off-list", "ended"})
"""Kinds of reasons that all mean, if nothing was recorded, that no monitored agent was on the
call."""

_CODES: Mapping[str, ReasonCode] = {
    "monitored": ReasonCode.MONITORED_AGENT_ACTIVE,
    "bridging": ReasonCode.TRANSFER_UNDER_WAY,
    "ended": ReasonCode.CALL_ENDED,
    "excluded": ReasonCode.QUEUE_EXCLUDED,
    "off-list": ReasonCode.AGENT_OFF_LIST,
    "none": ReasonCode.NO_MONITORED_AGENT,
    "direction": ReasonCode.DIRECTION_NOT_RECORDED,
    "absent": ReasonCode.AGENT_LEG_GONE,
    "internal": ReasonCode.INTERNAL_CALL,
    NO_DIRECTION: ReasonCode.DIRECTION_UNKNOWN,
    "unknown": ReasonCode.NOT_VOICE,
}
"""By kind."""

_Why = tuple[str, str, CallSession | None]
"""The kind and the text of a reason, and the session that it concerns."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a call is recorded at a moment, and why.

    `kind` names the reason's kind: monitored, bridging; ended, excluded, off-list, none, direction,
    absent (the agent's leg is gone, the reservation is open), internal, no-direction, unknown.
    `reason` is its text for people. `begins` False: a running recording continues, but none begins
    (a transfer to another monitored worker is under way, and no worker is on the call yet).
    `reservation_sid`: the reservation of the agent that the reason concerns; None: it concerns no
    agent. `settled` False: it is too early to publish "not recorded"; `over`: the call is over, and
    its last published decision is kept.
    """

    record: bool
    kind: str
    reason: str
    policy_version: int
    settled: bool = True
    begins: bool = True
    over: bool = False
    reservation_sid: str | None = None


def decide(
    view: CallView, history: PolicyHistory, now: int, alone_since: int | None = None
) -> Decision:
    """Decide whether the call is recorded at `now` (ms, the log's clock). `alone_since`: the time
    since which no worker is known to be on the call, if so. Deadlines count from it, because events
    may be late."""
    policy = history.at(now)
    kind, reason, session = (
        _never(view, policy)
        or _by_workers(view, history, now, alone_since or 0)
        or _nobody(view, history, now)
    )
    return Decision(
        record=kind in ("monitored", "bridging"),
        begins=kind == "monitored",
        kind=kind,
        reason=reason,
        policy_version=policy.version,
        settled=_is_settled(view, history, now, kind),
        over=view.state == CallState.ENDED,
        reservation_sid=None if session is None else session.reservation_sid,
    )


def published(decision: Decision, last: str | None) -> tuple[RecordingDecision, str]:
    """Return the decision to publish after `last` (None: the first one), and the reason as a text
    for people."""
    if decision.record:
        return RecordingDecision.RECORD, f"started: {decision.reason}"
    if last in (RecordingDecision.RECORD, RecordingDecision.STOP):
        return RecordingDecision.STOP, f"stopped: {_stopped(decision)}"
    return RecordingDecision.DO_NOT_RECORD, f"not recorded: {_not_recorded(decision)}"


def reason_code(decision: Decision, published_as: str | None = None) -> ReasonCode:
    """Return the code of the decision's reason. `published_as`: the decision as it is published;
    None: it is not published."""
    if published_as == RecordingDecision.DO_NOT_RECORD and decision.kind in NOBODY_MONITORED:
        return ReasonCode.NO_MONITORED_AGENT
    if published_as == RecordingDecision.STOP and decision.reason == NONE_MONITORED:
        return ReasonCode.LAST_MONITORED_AGENT_LEFT
    return ReasonCode.NO_END if decision.reason == NO_END else _CODES[decision.kind]


def reservation_of(decision: Decision, view: CallView) -> str | None:
    """Return the reservation of the agent that the decision's reason concerns. If it concerns no
    agent, return the reservation of the first agent on the call, or of the last agent that left;
    None if no agent accepted.
    """
    if decision.reservation_sid is not None:
        return decision.reservation_sid
    accepted = [s for s in view.sessions if s.started_at is not None]
    if on_call := [s for s in accepted if s.is_open]:
        return min(on_call, key=_started).reservation_sid
    last = max(accepted, key=lambda s: s.ended_at or 0, default=None)
    return None if last is None else last.reservation_sid


def is_news(decision: Decision, last: str | None, last_kind: str) -> bool:
    """Return whether to publish the decision. `last`, `last_kind`: decision and kind of reason that
    were published last."""
    if decision.record:
        return last != RecordingDecision.RECORD and decision.begins
    if last == RecordingDecision.RECORD:
        return True
    if last is None:
        return decision.settled
    # A stopped recording keeps the reason for which it was stopped, even if another reason applies
    # later.
    same = decision.kind == last_kind or {decision.kind, last_kind} <= NOBODY_MONITORED
    return last != RecordingDecision.STOP and decision.settled and not decision.over and not same


def _stopped(decision: Decision) -> str:
    return LAST_LEFT if decision.reason == NONE_MONITORED else decision.reason


def _not_recorded(decision: Decision) -> str:
    return NONE_MONITORED if decision.kind in NOBODY_MONITORED else decision.reason


def _never(view: CallView, policy: RecordingPolicy) -> _Why | None:
    """Return the reason why the call is not recorded, independent of its workers; None: there is
    none."""
    if view.state == CallState.IGNORED:
        return "unknown", "not a voice call", None
    if view.direction is None:
        return NO_DIRECTION, "direction not known", None
    if view.direction == Direction.INTERNAL:
        return "internal", "internal call", None
    if view.direction == Direction.INBOUND and not policy.record_inbound:
        return "direction", "inbound calls are not recorded", None
    if view.direction == Direction.OUTBOUND and not policy.record_outbound:
        return "direction", "outbound calls are not recorded", None
    if view.definitive_end is not None:
        return "ended", NO_END if view.swept else "call ended", None
    return None


def _by_workers(view: CallView, history: PolicyHistory, now: int, alone_since: int) -> _Why | None:
    """Return the reason, from the workers, to record the call; None: there is none."""
    active = [s for s in view.sessions if s.is_open]
    if monitored := [s for s in active if history.is_monitored(s, now)]:
        first = min(monitored, key=_started)
        return "monitored", f"monitored agent {first.extension or 'unknown'} is active", first
    if active or view.state == CallState.ENDED:
        return None
    bridge = _bridging(view, history, now, alone_since)
    return None if bridge is None else ("bridging", *bridge)


def _nobody(view: CallView, history: PolicyHistory, now: int) -> _Why:
    """Return the reason why no worker on the call is monitored."""
    policy = history.at(now)
    active = [s for s in view.sessions if s.is_open]
    for session in active:
        if history.is_listed(session, now) and is_excluded(policy, session.queue):
            return "excluded", f"queue {session.queue} is excluded", session
    for session in active:
        if history.monitored_between(session, _started(session), now):
            return "off-list", "no longer on the list", session
    for session in view.sessions:
        if session.is_absent and history.is_monitored(session, now):
            worker = session.extension or "unknown"
            reason = f"{LAST_LEFT}: the leg of {worker} is gone, the reservation is open"
            return "absent", reason, session
    return "none", NONE_MONITORED, None


def _bridging(
    view: CallView, history: PolicyHistory, now: int, alone_since: int
) -> tuple[str, CallSession | None] | None:
    """Return the reason to continue the recording while no worker is on the call; None: stop it."""
    left = _last_left(view, history, now)
    if left is None:
        return None
    pending = [s for s in view.sessions if _is_pending(s, now)]
    awaited = [
        s for s in pending if history.is_monitored(s, now) and s.created_at <= left + BRIDGE_MS
    ]
    if awaited:
        return f"monitored agent {awaited[0].extension or 'unknown'} is being called", awaited[0]
    if now < max(left, alone_since) + BRIDGE_MS and not pending and _unassigned(view, left):
        return "transfer under way", None
    return None


def _last_left(view: CallView, history: PolicyHistory, now: int) -> int | None:
    """Return when the last monitored worker left. None if an unmonitored worker left later, or if
    no monitored worker was on the call. It does not matter whether the worker was removed from the
    list afterwards: the worker being called decides."""
    left = [s for s in view.sessions if s.started_at is not None and s.ended_at is not None]
    last = max(left, key=lambda s: s.ended_at or 0, default=None)
    if last is None or last.ended_at is None:
        return None
    was_monitored = history.monitored_between(last, min(last.ended_at, now), now + 1)
    return last.ended_at if was_monitored else None


def _unassigned(view: CallView, left: int) -> list[Transfer]:
    """Return the transfers that began by `left`, are not over, and have no known reservation
    yet."""
    return [t for t in view.transfers if _is_under_way(t, left) and not _has_reservation(view, t)]


def _is_under_way(transfer: Transfer, left: int) -> bool:
    begun = transfer.milestones.get("initiated")
    over = any(name in transfer.milestones for name in TRANSFER_ENDS)
    return begun is not None and begun <= left and not over


def _has_reservation(view: CallView, transfer: Transfer) -> bool:
    begun = transfer.milestones["initiated"]
    return any(s.created_at >= begun for s in view.sessions)


def _is_pending(session: CallSession, now: int) -> bool:
    return session.is_pending and now < session.created_at + PENDING_LIMIT_MS


def _started(session: CallSession) -> int:
    return session.started_at or 0


def _is_settled(view: CallView, history: PolicyHistory, now: int, kind: str) -> bool:
    if kind == NO_DIRECTION:
        # Do not wait for further events of a call that is over.
        accepted_by = now if view.state == CallState.ENDED else now - DIRECTION_MS
        return any(
            s.started_at is not None
            and s.started_at <= accepted_by
            and history.monitored_between(
                s, s.started_at, now if s.ended_at is None else s.ended_at
            )
            for s in view.sessions
        )
    return kind != "unknown" and (view.state == CallState.ENDED or _anybody_accepted(view))


def _anybody_accepted(view: CallView) -> bool:
    return any(s.started_at is not None for s in view.sessions)
