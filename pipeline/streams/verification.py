"""Verify that the streamed legs belong to the call. Pure.

A leg that was known since the task's creation is streamed at once, and Twilio is asked right after
(`VerifyLeg`). A leg that was found in the task's conference needs no further question. The answer
has these results:

- *confirmed*: the task's conference lists the leg;
- *contradicted*: another task's conference lists it, or the task's conference has another customer.
  The media stream ends, its recording is withheld, and the leg is never streamed again;
- *moved*: as *contradicted*, but the leg was confirmed before. The recording is not withheld;
- *unknown*: there is no conference yet, or Twilio does not answer. The question is repeated while
  the leg is streamed: after 1 s, 2 s, and so on up to 30 s, and at once if the evidence changes.

A confirmed leg is verified again only if Twilio shows it in another task's conference, or shows it
there again. If the adapter finds a leg in the task's conference after it had moved or been
contradicted, it is confirmed from then on.
"""

from dataclasses import replace

from pipeline.calls.contested import Contested, conference_signs, contested_legs
from pipeline.calls.view import CallView
from pipeline.streams.names import verify_command_id
from pipeline.streams.reasons import Reason
from pipeline.streams.reconcile import Demand
from pipeline.streams.state import is_live, to_stop
from pipeline.twilio.sids import SidKind, valid_sid
from schemas.fast_dataclass import dataclass
from schemas.records import Call, CallAlias, CallStreams, CommandAnswered, LegCheck, VerifyLeg
from schemas.states import LegResult, ReasonCode, StreamPhase, StreamState

VERIFY = "verify"
"""The `command` of an answer to a `VerifyLeg`."""

FOREIGN_LEG = Reason("stopped: the leg belongs to another call", ReasonCode.LEG_OF_ANOTHER_CALL)
MOVED_LEG = Reason("stopped: the leg moved to another call", ReasonCode.LEG_MOVED)
OWN_LEG = Reason("stopped: the leg is an agent's own", ReasonCode.LEG_OF_AGENT)
EXPIRY_MS = 4_000
"""The adapter answers `unknown` if Twilio gives no answer within this time (ms)."""
ANSWER_MS = EXPIRY_MS + 2_000
"""After this time (ms), a question without an answer counts as lost."""
MAX_PAUSE_MS = 30_000
UNVERIFIED_MS = 30_000
"""A leg that is streamed without an answer for this long (ms) raises an alarm."""
MAX_LEGS = 20
AT_ONCE_MS = 60_000
MAX_AT_ONCE = 5
"""The greatest number of questions about a leg, within `AT_ONCE_MS`, that are asked without waiting
because of attributes, of legs that join the task's conference, or of another conference that had
the leg before."""

_FINAL = (LegResult.CONTRADICTED, LegResult.MOVED)


def foreign_legs(state: CallStreams) -> frozenset[str]:
    """Return the legs that belong to other calls."""
    return frozenset(check.call_sid for check in state.legs if check.result in _FINAL)


def is_unverified(state: CallStreams, now: int) -> bool:
    """Return whether a leg is being streamed without an answer from Twilio for `UNVERIFIED_MS`."""
    streamed = _streamed(state)
    return any(
        check.call_sid in streamed
        and check.result not in (*_FINAL, LegResult.CONFIRMED)
        and now >= check.since + UNVERIFIED_MS
        for check in state.legs
    )


def verified(state: CallStreams, answer: CommandAnswered, now: int) -> CallStreams:
    """Handle the answer to a `VerifyLeg`. Answers to earlier questions are used too."""
    check = _check_of(state, answer.call_sid)
    if check is None or check.result in _FINAL:
        return state
    asked = verify_command_id(state.task_sid, check.call_sid, check.attempt)
    is_open = check.due_at is not None and answer.command_id == asked
    if answer.outcome in _FINAL and (check.result != LegResult.CONFIRMED or is_open):
        after = _put(state, replace(check, result=answer.outcome, due_at=None))
        reason = MOVED_LEG if answer.outcome == LegResult.MOVED else FOREIGN_LEG
        return _without(after, foreign_legs(after), reason, now)
    if not is_open:
        # An earlier answer may confirm the leg, but a question that later evidence caused stays
        # open.
        is_news = answer.outcome == LegResult.CONFIRMED != check.result
        return _put(state, replace(check, result=LegResult.CONFIRMED)) if is_news else state
    if answer.outcome == LegResult.CONFIRMED:
        return _put(state, replace(check, result=LegResult.CONFIRMED, due_at=None))
    tries = max(1, check.attempt - check.first_attempt)
    pause = min(1_000 << min(tries - 1, 10), MAX_PAUSE_MS)
    result = LegResult.CONFIRMED if check.result == LegResult.CONFIRMED else LegResult.UNKNOWN
    return _put(state, replace(check, result=result, due_at=now + pause))


def aliases_in(answer: object) -> tuple[CallAlias, ...]:
    """Return the aliases that follow from an answer to a command; none for other records.

    - The legs that Twilio listed in the task's conference. Other tasks that name one of them are
      informed.
    - The leg of an answer `unknown`. This task is then informed of other tasks that became known
      since it named the leg, even if too many tasks name it.
    """
    if not isinstance(answer, CommandAnswered):
        return ()
    legs = [(call_sid, True) for call_sid in answer.listed_call_sids[:MAX_LEGS]]
    if (answer.command, answer.outcome) == (
        VERIFY,
        LegResult.UNKNOWN,
    ) and answer.call_sid is not None:
        legs.append((answer.call_sid, False))
    return tuple(
        CallAlias(call_sid, answer.task_sid, answer.at, is_listed)
        for call_sid, is_listed in legs
        if valid_sid(SidKind.CALL, call_sid) is not None
    )


def found_in_conference(
    before: CallStreams, state: CallStreams, answer: CommandAnswered, now: int
) -> CallStreams:
    """Note that a start was carried out on a leg that the command did not name: the adapter found
    the leg in the task's conference, maybe not for the first time."""
    leg = answer.call_sid
    if answer.outcome != "done" or leg is None or _has(before, answer) or not _has(state, answer):
        return state
    check = _check_of(state, leg)
    if check is None:
        return _put(state, LegCheck(leg, LegResult.CONFIRMED, 0, now, None, ()))
    return _put(state, replace(check, result=LegResult.CONFIRMED, since=now, due_at=None))


def _has(state: CallStreams, answer: CommandAnswered) -> bool:
    """Return whether the media stream of the answer is on the answer's leg."""
    return any(
        m.generation == answer.generation and m.call_sid == answer.call_sid and is_live(m)
        for m in state.media_streams
    )


@dataclass(frozen=True, slots=True)
class Evidence:
    """Facts that can change the answer to a question about a leg. `contested`: other tasks with the
    leg; `signs`: the number of signs of the call's own conference (`conference_signs`)."""

    contested: Contested = Contested()
    signs: int = 0


def questions(
    state: CallStreams, demand: Demand, call: Call | None, now: int
) -> tuple[CallStreams, tuple[VerifyLeg, ...]]:
    """Return the state with the questions that are due at `now`, and the commands that ask them."""
    contested = {} if call is None else contested_legs(call)
    signs = 0 if call is None else conference_signs(call)
    commands: list[VerifyLeg] = []
    for call_sid, generation in _streamed(state).items():
        known = Evidence(contested.get(call_sid, Contested()), signs)
        before = _check_of(state, call_sid)
        check = _begun(call_sid, known, now) if before is None else _asked(before, known, now)
        if check is None:
            continue
        state = _put(state, check)
        commands.append(
            VerifyLeg(
                command_id=verify_command_id(state.task_sid, call_sid, check.attempt),
                task_sid=state.task_sid,
                call_sid=call_sid,
                generation=generation,
                issued_at=now,
                expires_at=now + EXPIRY_MS,
                worker_marks=demand.worker_marks,
                customer_marks=tuple(m for m in demand.customer_marks if m != call_sid.lower()),
                other_task_sids=known.contested.task_sids,
                worker_ends=demand.worker_ends,
                customer_ends=demand.customer_ends,
                was_confirmed=check.result == LegResult.CONFIRMED,
                cause_event_id=state.cause_event_id,
                reservation_sid=state.reservation_sid,
                reason_code=ReasonCode.LEG_UNCONFIRMED,
                decided_at=state.decided_at,
            )
        )
    return state, tuple(commands)


def _begun(call_sid: str, known: Evidence, now: int) -> LegCheck:
    return _with_evidence(LegCheck(call_sid, LegResult.PENDING, 1, now, now + ANSWER_MS, ()), known)


def _asked(check: LegCheck, known: Evidence, now: int) -> LegCheck | None:
    """Return the check with one more question, or None if none is due. If Twilio shows the leg in
    another conference, a question is due at once, even if the leg is confirmed."""
    if check.result in _FINAL:
        return None
    lately = tuple(at for at in check.asked_at_once if at > now - AT_ONCE_MS)
    is_listed_elsewhere = not set(known.contested.listed) <= set(check.listed_task_sids)
    is_listed_again = known.contested.listed_at > check.listed_at
    is_news = is_listed_again or _is_news(check, known)
    if is_listed_elsewhere or (len(lately) < MAX_AT_ONCE and is_news):
        at_once = (*lately, now)[-MAX_AT_ONCE:]
        check = replace(check, first_attempt=check.attempt, asked_at_once=at_once)
    elif check.due_at is None or now < check.due_at:
        return None
    result = LegResult.CONFIRMED if check.result == LegResult.CONFIRMED else LegResult.PENDING
    asked = replace(check, result=result, attempt=check.attempt + 1, due_at=now + ANSWER_MS)
    return _with_evidence(asked, known)


def _is_news(check: LegCheck, known: Evidence) -> bool:
    """Return whether there is evidence that is newer than the latest question about the leg. The
    answer to an open question will take into account legs that joined the task's conference
    meanwhile."""
    if check.result == LegResult.CONFIRMED:
        return False
    is_news_of_others = not set(known.contested.task_sids) <= set(check.other_task_sids)
    return is_news_of_others or (check.result != LegResult.PENDING and known.signs > check.signs)


def _with_evidence(check: LegCheck, known: Evidence) -> LegCheck:
    return replace(
        check,
        other_task_sids=known.contested.task_sids,
        listed_task_sids=known.contested.listed,
        listed_at=known.contested.listed_at,
        signs=known.signs,
    )


def _streamed(state: CallStreams) -> dict[str, int]:
    """Return the legs that Twilio streams, as far as known, each with a generation."""
    return {
        m.call_sid: m.generation
        for m in state.media_streams
        if m.call_sid
        and is_live(m)
        and (m.state == StreamState.RUNNING or m.phase == StreamPhase.ANSWERED)
    }


def without_own_legs(state: CallStreams, seen: CallView, now: int) -> CallStreams:
    """Stop the media streams of a leg that is a worker's own by its ends."""
    return _without(state, seen.legs.own_ends, OWN_LEG, now)


def _without(state: CallStreams, legs: frozenset[str], reason: Reason, now: int) -> CallStreams:
    if not any(is_live(m) and m.call_sid in legs for m in state.media_streams):
        return state
    streams = tuple(
        to_stop(m, reason, now) if is_live(m) and m.call_sid in legs else m
        for m in state.media_streams
    )
    return replace(state, media_streams=streams)


def _check_of(state: CallStreams, call_sid: str | None) -> LegCheck | None:
    return next((check for check in state.legs if check.call_sid == call_sid), None)


def _put(state: CallStreams, check: LegCheck) -> CallStreams:
    others = [each for each in state.legs if each.call_sid != check.call_sid]
    return replace(state, legs=(*others, check)[-MAX_LEGS:])
