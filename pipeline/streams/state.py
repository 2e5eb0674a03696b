"""What is known of a call's media streams, and how one record changes it.

A media stream is *starting* from its first start command on, *running* once a gateway has it,
*stopping* from its first stop command on, and at last *stopped*, or *failed* if it never came.
`phase` and `due_at` say what is waited for, and until when:

    sent         a command is out; unanswered at `due_at`: repeat it
    repeated     the same start command is out a second time; unanswered: the next attempt
    answered     Twilio took the start; no gateway reports it until `due_at`: it failed
    backing-off  the command failed; at `due_at`: the next attempt
    quiet        nothing is waited for

The functions here take in what happened; they send nothing (`reconcile.py` does).
"""

from collections.abc import Callable
from dataclasses import replace

from pipeline.streams.names import start_command_id, stop_command_id
from schemas.records import (
    CallStreams,
    CommandAnswered,
    GatewayStarted,
    ManagedStream,
    MediaStreamClosed,
    MediaStreamOpened,
)

STARTING, RUNNING, STOPPING, STOPPED, FAILED = (
    "starting",
    "running",
    "stopping",
    "stopped",
    "failed",
)
SENT, REPEATED, ANSWERED, BACKING_OFF, QUIET = (
    "sent",
    "repeated",
    "answered",
    "backing-off",
    "quiet",
)

OPENING_MS = 5_000
"""A media stream that Twilio says it started is at a gateway within this."""
CONFLICT_MS = 2_000
"""The same where Twilio said only that one of this name is there already."""
YOUNG_MS = 10_000
"""A media stream that ends before this counts as a failure."""
AFTER_STOP_MS = 1_000
"""Twilio ended it: most likely the call is over, and the event that says so is on its way."""
MAX_BACK_OFF_MS = 15_000
MAX_ATTEMPTS = 3
"""A start that fails this often, and does not merely expire, gives its generation up."""


def back_off_ms(failures: int) -> int:
    """How long to wait after that many failures in a row: 0 after the first, then 1 s, 2 s, ..."""
    return 0 if failures < 2 else min(1_000 << min(failures - 2, 10), MAX_BACK_OFF_MS)


def unknown_call(task_sid: str) -> CallStreams:
    """The state of a call of which nothing is known yet."""
    return CallStreams(
        task_sid=task_sid,
        call=None,
        revision=0,
        decision=None,
        reason_kind="",
        reason="",
        policy_version=0,
        desired=False,
        failures=0,
        not_before=0,
        seen_at=0,
        alone_since=None,
        ended_at=None,
        media_streams=(),
    )


def is_live(media_stream: ManagedStream) -> bool:
    """Whether it runs, or is on its way to."""
    return media_stream.state in (STARTING, RUNNING)


def is_over(media_stream: ManagedStream) -> bool:
    """Whether nothing more is expected of it."""
    return media_stream.state in (STOPPED, FAILED) and media_stream.due_at is None


def stopped(media_stream: ManagedStream, reason: str, *, closed: bool) -> ManagedStream:
    """The same, ended."""
    state = FAILED if media_stream.state == FAILED else STOPPED
    return replace(
        media_stream,
        state=state,
        reason=media_stream.reason if media_stream.state in (STOPPING, FAILED) else reason,
        phase=QUIET,
        due_at=None,
        closed=media_stream.closed or closed,
    )


def opened(state: CallStreams, event: MediaStreamOpened, now: int) -> CallStreams:
    """A gateway took a media stream in."""
    for media_stream in state.media_streams:
        if media_stream.stream_sid == event.stream_sid and media_stream.opened_at is not None:
            return state  # told again
    own = _find(state, lambda m: m.generation == event.generation > 0)
    if own is not None and own.opened_at is None:
        return _put(state, own, _arrived(own, event, now))
    return replace(state, media_streams=(*state.media_streams, _stranger(event, now)))


def _arrived(own: ManagedStream, event: MediaStreamOpened, now: int) -> ManagedStream:
    known = replace(
        own,
        call_sid=event.call_sid,
        stream_sid=event.stream_sid,
        name=event.name or own.name,
        gateway=event.gateway,
        epoch=event.epoch,
        opened_at=now,
    )
    if own.state == STARTING:
        return replace(known, state=RUNNING, reason=own.reason, phase=QUIET, due_at=None)
    # It must not run any more: whatever stop was sent may have come before it was there.
    return replace(known, state=STOPPING, phase=BACKING_OFF, due_at=now)


def _stranger(event: MediaStreamOpened, now: int) -> ManagedStream:
    return ManagedStream(
        generation=0,
        state=STOPPING,
        reason="stopped: a media stream too many",
        call_sid=event.call_sid,
        stream_sid=event.stream_sid,
        name=event.name,
        gateway=event.gateway,
        epoch=event.epoch,
        attempt=0,
        stop_attempt=0,
        issued_at=now,
        due_at=now,
        phase=BACKING_OFF,
        opened_at=now,
        closed=False,
    )


def closed(state: CallStreams, event: MediaStreamClosed, now: int) -> CallStreams:
    """A gateway's media stream ended."""
    ended = _find(state, lambda m: m.stream_sid == event.stream_sid)
    if ended is None or ended.closed:
        return state
    after = _put(state, ended, stopped(ended, f"socket closed: {event.reason}", closed=True))
    if ended.state != RUNNING:
        return after
    lived = now - (ended.opened_at or now)
    failures = state.failures + 1 if lived < YOUNG_MS else 0
    wait = max(back_off_ms(failures), AFTER_STOP_MS if event.reason == "stop" else 0)
    return replace(after, failures=failures, not_before=now + wait)


def failed(state: CallStreams, now: int) -> CallStreams:
    """A media stream failed: the next one waits, the longer the more failed in a row."""
    failures = state.failures + 1
    return replace(state, failures=failures, not_before=now + back_off_ms(failures))


def gateway_started(state: CallStreams, event: GatewayStarted) -> CallStreams:
    """A gateway came up: what its earlier epochs held is gone."""
    for media_stream in state.media_streams:
        if (
            media_stream.gateway == event.gateway
            and media_stream.epoch < event.epoch
            and not media_stream.closed
        ):
            gone = stopped(media_stream, "the gateway that held it is gone", closed=True)
            state = _put(state, media_stream, gone)
    return state


def answered(state: CallStreams, event: CommandAnswered, now: int) -> CallStreams:
    """The adapter carried a command out, or gave it up. Answers to older attempts tell nothing."""
    task = state.task_sid
    for own in state.media_streams:
        if own.attempt and event.command_id == start_command_id(task, own.generation, own.attempt):
            after = _put(state, own, _start_answered(own, event, now))
            if own.state == STARTING and after.media_streams[-1].state == FAILED:
                return failed(after, now)
            return after
        stop_id = stop_command_id(task, own.generation, own.stream_sid, own.stop_attempt)
        if own.stop_attempt and event.command_id == stop_id:
            return _put(state, own, _stop_answered(own, event, now))
    return state


def _start_answered(own: ManagedStream, event: CommandAnswered, now: int) -> ManagedStream:
    if event.outcome == "done" and own.opened_at is None:
        own = replace(
            own,
            call_sid=event.call_sid or own.call_sid,
            stream_sid=event.stream_sid or own.stream_sid,
            name=event.name or own.name,
        )
    if own.state != STARTING or own.phase not in (SENT, REPEATED):
        return own
    if event.outcome == "done":
        wait = OPENING_MS if event.stream_sid else CONFLICT_MS
        return replace(own, phase=ANSWERED, due_at=now + wait)
    if event.outcome == "expired":  # it was asked all the time: go on
        return replace(own, phase=BACKING_OFF, due_at=now)
    if own.attempt >= MAX_ATTEMPTS:  # maybe it's the name: stop what may be there, take another
        reason = f"failed: {event.detail}"
        return replace(own, state=FAILED, reason=reason, phase=BACKING_OFF, due_at=now)
    wait = max(back_off_ms(own.attempt + 1), 1_000)
    return replace(own, phase=BACKING_OFF, due_at=now + wait)


def _stop_answered(own: ManagedStream, event: CommandAnswered, now: int) -> ManagedStream:
    if own.due_at is None:
        return own
    if event.outcome == "done":
        return stopped(own, own.reason, closed=False)
    return replace(own, phase=BACKING_OFF, due_at=now + max(back_off_ms(own.stop_attempt), 500))


def _find(state: CallStreams, suits: Callable[[ManagedStream], bool]) -> ManagedStream | None:
    return next((m for m in state.media_streams if suits(m)), None)


def _put(state: CallStreams, old: ManagedStream, new: ManagedStream) -> CallStreams:
    if new == old:
        return state
    streams = tuple(new if m is old else m for m in state.media_streams)
    return replace(state, media_streams=streams)
