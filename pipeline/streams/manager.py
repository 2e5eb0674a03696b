"""The stream manager's core: it turns a call's versions, the monitored list and reports about media
streams into decisions and commands. Pure; `agents/stream_manager.py` carries them out.
"""

from dataclasses import dataclass, replace

from pipeline.calls.view import CallView
from pipeline.policy import decide
from pipeline.policy.decide import Decision
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.streams.conference_search import (
    is_leg_unknown,
    searched,
    signs_of_call,
    without_gone_leg,
)
from pipeline.streams.decided import judged, seen_call
from pipeline.streams.gateway_liveness import Gateways
from pipeline.streams.gateway_reports import buried, reported
from pipeline.streams.identification import (
    fetches,
    is_asking,
    unidentified,
)
from pipeline.streams.marks import customer_ends, customer_marks, worker_ends, worker_marks
from pipeline.streams.noting import Seen, found_out, noted
from pipeline.streams.reasons import Reason, decision_reason
from pipeline.streams.reconcile import Command, Demand, changes, reconcile
from pipeline.streams.stale import is_stale
from pipeline.streams.state import is_live, is_over, may_be_held, unknown_call
from pipeline.streams.verification import (
    aliases_in,
    foreign_legs,
    questions,
    without_own_legs,
)
from schemas.records import (
    Call,
    CallAlias,
    CallStreams,
    FindConference,
    LegFetched,
    MediaStreamChanged,
    RecordingDecided,
    StreamCommand,
)
from schemas.states import ReasonCode, RecordingDecision

FORGET_MS = 5 * 60 * 60_000
"""The state of a call that is over is forgotten this long (ms) after its last change: later than
the tracker's state, so that the tracker publishes no version of a call that is unknown here."""

UNKNOWN_CALL = Reason("stopped: the call is not known", ReasonCode.CALL_UNKNOWN)
LONG_OVER = Reason("stopped: the call is long over", ReasonCode.CALL_LONG_OVER)

OutputRecord = StreamCommand | LegFetched | CallAlias | RecordingDecided | MediaStreamChanged
Own = RecordingDecided | MediaStreamChanged


@dataclass(frozen=True, slots=True)
class Next:
    """The next state (the same object: unchanged; None: forget the call) and the records to
    publish, in this order."""

    state: CallStreams | None
    outputs: tuple[OutputRecord, ...] = ()


def on_record(
    task_sid: str,
    state: CallStreams | None,
    record: Seen,
    history: PolicyHistory,
    now: int,
    *,
    gateways: Gateways | None = None,
    hasty: bool = False,
    reread: bool = False,
) -> Next:
    """Return the step for a record of `calls` or `stream.events` at `now` (ms, the record's time).
    `gateways`: the signs of life in this process; None: all gateways are alive. `hasty`: the record
    is old, and waiting records may supersede it. Then no media stream is started now, but at the
    next record or tick that is not `hasty`. `reread`: the topics are read again after a restart.
    Then reports about media streams are only noted, and a media stream is not stopped if no known
    decision led to it (see `_lacks_decision`)."""
    before = state or unknown_call(task_sid)
    now = max(now, before.seen_at)  # the records come from several topics
    after = noted(before, record, now)
    known: tuple[OutputRecord, ...] = (
        *aliases_in(record), *found_out(before, record, history, now)
    )  # fmt: skip
    if after is before:
        return Next(state, known)
    if reread and not isinstance(record, Call):
        # Versions of the call may follow that are older than this record. The time of the state
        # stays, so that they lead to the same decisions as at the first reading. A media stream
        # that no known command started gets its reason, and is published, later.
        shown = [change for change in changes(before, after, now) if change.reason]
        return Next(after, (*known, *shown))
    following = _settled(before, after, history, now, gateways, hasty=hasty, reread=reread)
    return replace(following, outputs=(*known, *following.outputs))


def on_tick(
    state: CallStreams,
    history: PolicyHistory,
    now: int,
    *,
    gateways: Gateways | None = None,
    hasty: bool = False,
    reread: bool = False,
) -> Next:
    """Return the step for the passage of time: due commands, a changed list, a gateway that became
    silent, and the time to forget the call. `gateways`, `hasty`, `reread`: as in `on_record`."""
    if now < state.seen_at:
        return Next(state)  # a tick older than the state
    if reread and _lacks_decision(state):
        return Next(state)
    if is_at_rest(state):
        return Next(None if now >= forgotten_at(state) else state)
    return _settled(state, state, history, now, gateways, hasty=hasty)


def on_own(
    state: CallStreams,
    record: Own,
    history: PolicyHistory,
    *,
    gateways: Gateways | None = None,
    starts: bool = True,
    reread: bool = False,
) -> Next:
    """Handle one of the manager's own records when it is read back. It matters only after a crash
    between publishing it and keeping the state. Records that led to it are delivered again, but
    ticks are not. So compute the step of a tick at the record's time; if its result differs, a
    record led to the published one. `gateways`, `reread`: as in `on_record`. Starts are allowed,
    unless `starts` is False."""
    if record.at > state.seen_at:
        again = on_tick(state, history, record.at, gateways=gateways, hasty=not starts)
        return again if _is_output(record, again.outputs) else Next(state)
    if not reread and _is_lost_beginning(state, record):
        # A later version of the call was read first, but the decision must still end.
        after = replace(state, decision=RecordingDecision.RECORD)
        return _settled(state, after, history, state.seen_at, gateways, hasty=True)
    return Next(state)


def _is_output(record: Own, outputs: tuple[OutputRecord, ...]) -> bool:
    """Return whether the record is among `outputs`. A record of an earlier release has no codes and
    no cause."""
    if record.reason_code is not None:
        return record in outputs
    same = [each for each in outputs if isinstance(each, RecordingDecided | MediaStreamChanged)]
    return record in [_without_cause(each) for each in same]


def _without_cause(record: Own) -> Own:
    record = replace(record, cause_event_id=None, reservation_sid=None, reason_code=None)
    return replace(record, decided_at=None) if isinstance(record, MediaStreamChanged) else record


def _is_lost_beginning(state: CallStreams, record: Own) -> bool:
    """Return whether the call's first decision to record was published, and is not in the state."""
    begun = isinstance(record, RecordingDecided) and record.decision == RecordingDecision.RECORD
    return begun and state.decision in (None, RecordingDecision.DO_NOT_RECORD)


def _lacks_decision(state: CallStreams) -> bool:
    """Return whether a media stream runs that was started by a command, although the last decision
    is not to record.

    After a crash, the reports about it may be read before the version of the call that led to the
    decision. It must not be stopped before that.
    """
    streamed = any(is_live(m) and m.generation for m in state.media_streams)
    return streamed and state.decision != RecordingDecision.RECORD


def is_at_rest(state: CallStreams) -> bool:
    """Return whether nothing remains to be done for the call, except to forget it."""
    if state.ended_at is None or is_asking(state):
        return False
    return all(is_over(each) and not may_be_held(each) for each in state.media_streams)


def forgotten_at(state: CallStreams) -> int:
    """Return when (ms) the state of a call at rest is forgotten."""
    return max(state.ended_at or 0, state.seen_at) + FORGET_MS


def _settled(
    before: CallStreams,
    after: CallStreams,
    history: PolicyHistory,
    now: int,
    gateways: Gateways | None,
    *,
    hasty: bool,
    reread: bool = False,
) -> Next:
    gateways = gateways or Gateways(steady_since=0)
    keeps = reread and _lacks_decision(after)
    demand = Demand(desired=False, reason=UNKNOWN_CALL, policy_version=0)
    decided: tuple[RecordingDecided, ...] = ()
    unknown: tuple[str, ...] = ()
    ended = True
    if after.call is not None:
        call, derived = seen_call(after.call)
        found = judged(reported(after, call.media_streams, now), call, derived, history, now)
        after, decided, ended = found.state, found.published, found.is_over
        if found.decision is None:
            demand = replace(demand, reason=LONG_OVER)
        else:
            demand = _demand(after, call, derived, found.decision)
            unknown = unidentified(derived, history, now)
            if demand.desired or unknown:
                demand = replace(
                    demand,
                    worker_ends=worker_ends(call, history.workers, now),
                    customer_ends=customer_ends(derived),
                )
            after = without_own_legs(after, derived, now)
            begins = demand.begins and not hasty and not is_stale(after, call, derived, now)
            demand = replace(demand, begins=begins)
    after = replace(after, ended_at=(after.ended_at or now) if ended else None)
    after = buried(after, gateways, now)
    demand = replace(demand, keeps=keeps)
    after, commands = _streamed(after, demand, now, gateways)
    known = None if after.call is None else seen_call(after.call)[0]
    after, questions_ = questions(after, demand, known, now)
    after, asked = fetches(after, unknown, (*demand.worker_ends, *demand.customer_ends), now)
    if after == before:
        return Next(before)
    outputs = (*decided, *commands, *questions_, *asked, *changes(before, after, now))
    return Next(replace(after, seen_at=now), outputs)


def _streamed(
    state: CallStreams, demand: Demand, now: int, gateways: Gateways
) -> tuple[CallStreams, tuple[Command | FindConference, ...]]:
    """Move the media streams towards the demand. Start nothing unless a leg is known, or a
    conference in which to look for one."""
    signs = 0 if state.call is None else signs_of_call(seen_call(state.call)[0])
    demand = without_gone_leg(state, demand)
    state, finds = searched(state, demand, signs, now)
    demand = replace(demand, begins=demand.begins and not is_leg_unknown(state, demand))
    state, commands = reconcile(state, demand, now, gateways.steady_since)
    return state, (*finds, *commands)


def _demand(state: CallStreams, call: Call, seen: CallView, decision: Decision) -> Demand:
    unpublished = Reason(decision.reason, decide.reason_code(decision))
    reason = decision_reason(state) if state.reason else unpublished
    if not decision.record:
        return Demand(desired=False, reason=reason, policy_version=decision.policy_version)
    foreign = foreign_legs(state) | seen.legs.own_ends
    streamed = [m.call_sid for m in state.media_streams if m.generation and m.call_sid]
    legs = [leg for leg in streamed if leg not in foreign]
    leg = seen.customer_call_sid if seen.customer_leg_is_sure else None
    marks = customer_marks(seen, legs)
    return Demand(
        desired=True,
        begins=decision.begins,
        reason=reason,
        policy_version=decision.policy_version,
        call_sid=leg if leg and leg not in foreign else legs[-1] if legs else None,
        direction=seen.direction,
        worker_marks=worker_marks(call, seen),
        customer_marks=tuple(m for m in marks if m not in {f.lower() for f in foreign}),
    )
