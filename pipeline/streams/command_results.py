"""Apply the adapter's answer to a command to the state of a call's media streams."""

from dataclasses import replace

from pipeline.streams.marks import NoLeg
from pipeline.streams.names import start_command_id, stop_command_id
from pipeline.streams.reasons import Reason, reason_of
from pipeline.streams.state import back_off_ms, failed, is_over, put, stopped, to_stop, was_streamed
from pipeline.twilio.errors import CALL_NOT_IN_PROGRESS, NOT_FOUND
from schemas.records import CallStreams, CommandAnswered, ManagedStream
from schemas.states import ReasonCode, StreamPhase, StreamState

LISTED, NO_CONFERENCE = "listed", "no-conference"
"""Outcomes: Twilio lists a conference for the task, or none. Without one there is no leg to
stream."""
FIND_FAILED = "failed"
"""Outcome: Twilio refused the request for the task's conferences."""

OPENING_MS = 5_000
"""After Twilio answered that a media stream started, it must reach a gateway within this time
(ms)."""
CONFLICT_MS = 2_000
"""The same if Twilio answered only that a media stream of this name exists already."""
CLOSING_MS = 2_000
"""After Twilio answered that a media stream stopped, its gateway must report the end within this
time (ms)."""
MAX_ATTEMPTS = 3
"""After this many failures of a start, expired commands aside, its generation is given up."""
GONE = Reason("failed: Twilio does not find the leg in progress", ReasonCode.LEG_NOT_IN_PROGRESS)
"""Why the media stream of a named leg failed."""
MAX_ASKING_MS = 60_000
"""The longest pause (ms) between requests for a leg that was streamed before and is not in progress
now."""


def answered(
    state: CallStreams, event: CommandAnswered, now: int, *, inbound: bool = False
) -> CallStreams:
    """Handle the adapter's answer to a command: done, or given up. Ignore answers to older
    attempts. `inbound`: the customer called, so the leg was in progress before an agent
    accepted."""
    task = state.task_sid
    for own in state.media_streams:
        if own.attempt and event.command_id == start_command_id(task, own.generation, own.attempt):
            updated = _start_answered(state, own, event, now, inbound=inbound)
            after = put(state, own, updated)
            is_failure = own.state == StreamState.STARTING and updated.state == StreamState.FAILED
            return failed(after, now) if is_failure and updated.due_at is not None else after
        stop_id = stop_command_id(task, own.generation, own.stream_sid, own.stop_attempt)
        if own.stop_attempt and event.command_id == stop_id:
            return put(state, own, _stop_answered(own, event, now))
    return state


def _start_answered(
    state: CallStreams, own: ManagedStream, event: CommandAnswered, now: int, *, inbound: bool
) -> ManagedStream:
    updated = _with_sids(own, event)
    if own.state == StreamState.STARTING and own.phase in (StreamPhase.SENT, StreamPhase.REPEATED):
        if event.outcome == "done":
            wait = OPENING_MS if event.stream_sid else CONFLICT_MS
            return replace(updated, phase=StreamPhase.ANSWERED, due_at=now + wait)
        return _not_started(state, own, event, now, inbound=inbound)
    if is_over(own) and not own.closed and updated.stream_sid != own.stream_sid:
        # It was started, although the stop found nothing to stop.
        return to_stop(updated, reason_of(own), now)
    return updated


def _with_sids(own: ManagedStream, event: CommandAnswered) -> ManagedStream:
    if event.outcome != "done" or own.opened_at is not None:
        return own
    return replace(
        own,
        call_sid=event.call_sid or own.call_sid,
        stream_sid=event.stream_sid or own.stream_sid,
        name=event.name or own.name,
    )


def _not_started(
    state: CallStreams, own: ManagedStream, event: CommandAnswered, now: int, *, inbound: bool
) -> ManagedStream:
    if event.outcome == NO_CONFERENCE:
        return _never_there(own, Reason(f"failed: {event.detail}", ReasonCode.NO_CONFERENCE))
    if inbound and _is_of_earlier_call(state, own, event):
        return _never_there(own, GONE)
    if event.outcome == "expired":
        wait = _asking_pause_ms(state, own, event)
    elif event.outcome == "superseded":
        # Started by a command that was sent before a crash and is no longer known.
        wait = 1_000
    elif own.attempt >= MAX_ATTEMPTS:
        # The name may be the reason: stop any media stream of that name, and use another name.
        own = replace(own, state=StreamState.FAILED)
        refused = f"failed: Twilio refused it ({event.detail})"
        return to_stop(own, Reason(refused, ReasonCode.TWILIO_REFUSED), now)
    else:
        wait = max(back_off_ms(own.attempt + 1), 1_000)
    return replace(own, phase=StreamPhase.BACKING_OFF, due_at=now + wait)


def _is_of_earlier_call(state: CallStreams, own: ManagedStream, event: CommandAnswered) -> bool:
    """Return whether the named leg of an inbound call belongs to an earlier call: Twilio did not
    find it in progress until the start expired."""
    gone = event.code in {CALL_NOT_IN_PROGRESS, *NOT_FOUND} or (
        event.code is None and event.detail == NoLeg.NO_CONFERENCE.value
    )
    is_named = own.call_sid is not None and not was_streamed(state, own.call_sid)
    return event.outcome == "expired" and event.attempts > 0 and gone and is_named


def _never_there(own: ManagedStream, reason: Reason) -> ManagedStream:
    """Return the media stream as failed. Nothing was started, so nothing must be stopped."""
    return replace(
        own,
        state=StreamState.FAILED,
        reason=reason.text,
        reason_code=reason.code,
        phase=StreamPhase.QUIET,
        due_at=None,
    )


def _asking_pause_ms(state: CallStreams, own: ManagedStream, event: CommandAnswered) -> int:
    """Return the pause (ms) before the leg is requested again. A ringing leg is requested without a
    pause, because it may be answered at any moment. A leg that was streamed before and is gone has
    most likely hung up, and the event of that was lost."""
    gone = event.code in {None, CALL_NOT_IN_PROGRESS, *NOT_FOUND}
    if not (event.attempts and gone and was_streamed(state, own.call_sid)):
        return 0
    return min(1_000 << min(own.attempt - 1, 10), MAX_ASKING_MS)


def _stop_answered(own: ManagedStream, event: CommandAnswered, now: int) -> ManagedStream:
    if own.phase not in (StreamPhase.SENT, StreamPhase.REPEATED):
        return own
    if event.outcome != "done":
        wait = max(back_off_ms(own.stop_attempt), 500)
        return replace(own, phase=StreamPhase.BACKING_OFF, due_at=now + wait)
    if own.opened_at is None or own.closed:
        return stopped(own, reason_of(own), closed=False)
    wait = max(back_off_ms(own.stop_attempt), CLOSING_MS)
    return replace(own, phase=StreamPhase.ANSWERED, due_at=now + wait)
