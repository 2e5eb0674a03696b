"""The stream manager's decisions without media streams and commands. Pure.

Decisions depend only on the call's versions, the monitored list and the time. So they can be
computed again from the log, with another list or other rules, without Twilio.
"""

from dataclasses import dataclass, replace

from pipeline.policy.monitored_list import PolicyHistory
from pipeline.streams.decided import judged, seen_call
from pipeline.streams.identification import FETCH, leg_fetched
from pipeline.streams.manager import forgotten_at
from pipeline.streams.state import unknown_call
from pipeline.streams.verification import aliases_in
from schemas.codec import encode
from schemas.records import (
    Call,
    CallAlias,
    CallStreams,
    CommandAnswered,
    LegFetched,
    RecordingDecided,
)


@dataclass(frozen=True, slots=True)
class DecisionStep:
    """The next state (the same object: unchanged; None: forget the call), and the decisions to
    publish."""

    state: CallStreams | None
    published: tuple[RecordingDecided, ...] = ()


def on_call(
    task_sid: str, state: CallStreams | None, call: Call, history: PolicyHistory, now: int
) -> DecisionStep:
    """Handle a version of the call that was published at `now` (ms, log time)."""
    before = state or unknown_call(task_sid)
    if call.revision <= before.revision:
        return DecisionStep(state)
    after = replace(before, call=encode(call), revision=call.revision)
    return _decided(before, after, history, max(now, before.seen_at))


def on_tick(state: CallStreams, history: PolicyHistory, now: int) -> DecisionStep:
    """Decide again at `now` (ms, log time), or forget a call that is over."""
    if now < state.seen_at:
        return DecisionStep(state)
    if state.ended_at is not None:
        return DecisionStep(None if now >= forgotten_at(state) else state)
    return _decided(state, state, history, now)


def learned_from(
    state: CallStreams | None, answer: CommandAnswered, history: PolicyHistory, now: int
) -> tuple[CallAlias | LegFetched, ...]:
    """Return the records that follow from the adapter's answer at `now` (ms, log time): the legs in
    the task's conference, and the ends of a leg."""
    found = None
    if answer.command == FETCH and state is not None and state.call is not None:
        found = leg_fetched(seen_call(state.call)[0], answer, history, now)
    return (*aliases_in(answer), *(() if found is None else (found,)))


def wakes_at(state: CallStreams) -> int:
    """Return the time (ms) of the tick that must handle the call again: every tick until the call
    is over."""
    return 0 if state.ended_at is None else forgotten_at(state)


def _decided(
    before: CallStreams, after: CallStreams, history: PolicyHistory, now: int
) -> DecisionStep:
    assert after.call is not None
    found = judged(after, *seen_call(after.call), history, now)
    ended_at = (after.ended_at or now) if found.is_over else None
    after = replace(found.state, ended_at=ended_at)
    if after == before:
        return DecisionStep(before)
    return DecisionStep(replace(after, seen_at=now), found.published)
