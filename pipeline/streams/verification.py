"""Whether the legs that are streamed belong to the call. Pure.

A leg that was known since the task's creation is streamed at once, and Twilio is asked right after
(`VerifyLeg`). A leg that was found in the task's conference needs no further question. The answer
has three results:

- *confirmed*: the task's conference lists the leg;
- *contradicted*: another task's conference lists it, or the task's conference has another
  customer. The media stream ends, its recording is withheld, and the leg is never streamed again;
- *unknown*: there is no conference yet, or Twilio does not answer. It is asked again, after 1 s,
  2 s, and so on up to 30 s, while the leg is streamed.
"""

from dataclasses import replace

from pipeline.calls.view import CallView
from pipeline.streams.names import verify_command_id
from pipeline.streams.reconcile import Demand
from pipeline.streams.state import ANSWERED, RUNNING, is_live, to_stop
from schemas.records import CallStreams, CommandAnswered, LegCheck, VerifyLeg

PENDING, CONFIRMED, CONTRADICTED, UNKNOWN = "pending", "confirmed", "contradicted", "unknown"
VERIFY = "verify"
"""The `command` of an answer to a `VerifyLeg`."""

FOREIGN_LEG = "stopped: the leg belongs to another call"
OWN_LEG = "stopped: the leg is an agent's own"
EXPIRY_MS = 4_000
"""A question that is not answered within this is answered `unknown`."""
ANSWER_MS = EXPIRY_MS + 2_000
"""After this, a question without an answer is lost."""
MAX_PAUSE_MS = 30_000
UNVERIFIED_MS = 30_000
"""A leg about which nothing is known for so long raises an alarm."""
MAX_LEGS = 20

_FINAL = (CONFIRMED, CONTRADICTED)


def foreign_legs(state: CallStreams) -> frozenset[str]:
    """Return the legs that belong to other calls."""
    return frozenset(check.call_sid for check in state.legs if check.result == CONTRADICTED)


def is_unverified(state: CallStreams, now: int) -> bool:
    """Return whether a leg is streamed about which Twilio has said nothing for `UNVERIFIED_MS`."""
    streamed = _streamed(state)
    return any(
        check.call_sid in streamed
        and check.result not in _FINAL
        and now >= check.since + UNVERIFIED_MS
        for check in state.legs
    )


def verified(state: CallStreams, answer: CommandAnswered, now: int) -> CallStreams:
    """Take in the answer to a `VerifyLeg`. An answer to an earlier question is one, too."""
    check = _check_of(state, answer.call_sid)
    if check is None or check.result in _FINAL:
        return state
    if answer.outcome in _FINAL:
        after = _put(state, replace(check, result=answer.outcome, due_at=None))
        return _without(after, foreign_legs(after), FOREIGN_LEG, now)
    asked = verify_command_id(state.task_sid, check.call_sid, check.attempt)
    if answer.command_id != asked:
        return state
    pause = min(1_000 << min(check.attempt - 1, 10), MAX_PAUSE_MS)
    return _put(state, replace(check, result=UNKNOWN, due_at=now + pause))


def found_in_conference(
    before: CallStreams, state: CallStreams, answer: CommandAnswered, now: int
) -> CallStreams:
    """Take in that a start was done on a leg that the command did not name: the adapter found it in
    the task's conference."""
    if answer.outcome != "done" or answer.call_sid is None:
        return state
    named = {m.call_sid for m in before.media_streams if m.generation == answer.generation}
    if answer.call_sid in named or _check_of(state, answer.call_sid) is not None:
        return state
    return _put(state, LegCheck(answer.call_sid, CONFIRMED, 0, now, None, ()))


def questions(
    state: CallStreams, demand: Demand, contested: dict[str, tuple[str, ...]], now: int
) -> tuple[CallStreams, tuple[VerifyLeg, ...]]:
    """Return the state with what is asked now, and the commands that ask it. `contested`: other
    tasks that name a leg."""
    commands: list[VerifyLeg] = []
    for call_sid, generation in _streamed(state).items():
        others = contested.get(call_sid, ())
        check = _check_of(state, call_sid) or LegCheck(call_sid, PENDING, 0, now, now, others)
        if check.result in _FINAL:
            continue
        if check.due_at is not None and now < check.due_at and check.other_task_sids == others:
            continue
        check = replace(
            check, attempt=check.attempt + 1, due_at=now + ANSWER_MS, other_task_sids=others
        )
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
                other_task_sids=others,
                worker_ends=demand.worker_ends,
                customer_ends=demand.customer_ends,
            )
        )
    return state, tuple(commands)


def _streamed(state: CallStreams) -> dict[str, int]:
    """The legs that Twilio streams, as far as is known, each with a generation."""
    return {
        m.call_sid: m.generation
        for m in state.media_streams
        if m.call_sid and is_live(m) and (m.state == RUNNING or m.phase == ANSWERED)
    }


def without_own_legs(state: CallStreams, seen: CallView, now: int) -> CallStreams:
    """Stop what is streamed of a leg that is a worker's own by its ends."""
    return _without(state, seen.legs.own_ends, OWN_LEG, now)


def _without(state: CallStreams, legs: frozenset[str], reason: str, now: int) -> CallStreams:
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
