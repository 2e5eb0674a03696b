"""Note a record of `calls` or `stream.events` in the state of a call, without drawing conclusions
from it. Pure."""

from dataclasses import replace

from pipeline.policy.monitored_list import PolicyHistory
from pipeline.streams.command_results import GONE, NO_CONFERENCE, answered
from pipeline.streams.conference_search import FIND, conference_gone, found, leg_gone
from pipeline.streams.decided import seen_call
from pipeline.streams.gateway_reports import closed, gateway_started, opened
from pipeline.streams.identification import FETCH, fetched, leg_fetched
from pipeline.streams.state import find
from pipeline.streams.verification import VERIFY, found_in_conference, verified
from schemas.codec import encode
from schemas.records import (
    Call,
    CallStreams,
    CommandAnswered,
    GatewayStarted,
    LegFetched,
    MediaStreamClosed,
    MediaStreamOpened,
)
from schemas.states import Direction

Seen = Call | CommandAnswered | MediaStreamOpened | MediaStreamClosed | GatewayStarted


def noted(state: CallStreams, record: Seen, now: int) -> CallStreams:
    """Return the state with the record at `now` (ms); the same object if it adds nothing."""
    match record:
        case Call():
            return _with_call(state, record)
        case MediaStreamOpened():
            return opened(state, record, now)
        case MediaStreamClosed():
            return closed(state, record, now)
        case CommandAnswered():
            return _answered(state, record, now)
        case GatewayStarted():
            return gateway_started(state, record, now)


def _with_call(state: CallStreams, call: Call) -> CallStreams:
    if call.revision <= state.revision:
        return state
    return replace(state, call=encode(call), revision=call.revision)


def _answered(state: CallStreams, answer: CommandAnswered, now: int) -> CallStreams:
    if answer.command == VERIFY:
        return verified(state, answer, now)
    if answer.command == FETCH:
        return fetched(state, answer, now)
    if answer.command == FIND:
        return found(state, answer, now)
    inbound = state.call is not None and seen_call(state.call)[1].direction == Direction.INBOUND
    after = answered(state, answer, now, inbound=inbound)
    if after is not state and answer.outcome == NO_CONFERENCE:
        return conference_gone(after, now)
    own = find(after, lambda m: m.generation == answer.generation and m.reason == GONE.text)
    if after is not state and own is not None and own.call_sid is not None:
        return leg_gone(after, own.call_sid, now)
    return found_in_conference(state, after, answer, now)


def found_out(
    state: CallStreams, record: Seen, history: PolicyHistory, now: int
) -> tuple[LegFetched, ...]:
    """Return the record for the tracker, if any: published each time the answer is read."""
    if not isinstance(record, CommandAnswered) or record.command != FETCH or state.call is None:
        return ()
    found = leg_fetched(seen_call(state.call)[0], record, history, now)
    return () if found is None else (found,)
