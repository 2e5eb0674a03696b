"""The known state of a call's media streams.

A media stream is *starting* from its first start command on, *running* once a gateway has it,
*stopping* from its first stop command on, and finally *stopped*, or *failed* if it never reached a
gateway. `phase` says which event is awaited, and `due_at` until when:

    sent         a command is out; unanswered at `due_at`: repeat it
    repeated     the same command is out a second time; unanswered: the next attempt
    answered     Twilio took the command, and no gateway has reported the result. Until
                 `due_at` a start must have: else it failed; a stop: else it is sent again
    backing-off  the command failed; at `due_at`: the next attempt
    quiet        nothing is waited for

The state is changed by `gateway_reports` (reports of gateways and Twilio), `command_results` (the
adapter's answers), and `reconcile`. Only `reconcile` sends commands.
"""

from collections.abc import Callable
from dataclasses import replace

from pipeline.streams.reasons import Reason, reason_of
from schemas.records import CallStreams, ManagedStream
from schemas.states import StreamPhase, StreamState

MAX_BACK_OFF_MS = 15_000


def back_off_ms(failures: int) -> int:
    """Return the wait (ms) after that many failures in a row: 0 after the first, then 1 s, 2 s,
    ..."""
    return 0 if failures < 2 else min(1_000 << min(failures - 2, 10), MAX_BACK_OFF_MS)


def unknown_call(task_sid: str) -> CallStreams:
    """Return the state of a call about which nothing is known yet."""
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


def new_stream(generation: int, state: StreamState, reason: Reason, now: int) -> ManagedStream:
    """Return a media stream about which nothing else is known."""
    return ManagedStream(
        generation=generation,
        state=state,
        reason=reason.text,
        reason_code=reason.code,
        call_sid=None,
        stream_sid=None,
        name=None,
        gateway=None,
        epoch=0,
        attempt=0,
        stop_attempt=0,
        issued_at=now,
        due_at=None,
        phase=StreamPhase.QUIET,
        opened_at=None,
        closed=False,
    )


def is_live(media_stream: ManagedStream) -> bool:
    """Return whether the media stream is running or starting."""
    return media_stream.state in (StreamState.STARTING, StreamState.RUNNING)


def is_over(media_stream: ManagedStream) -> bool:
    """Return whether nothing further is expected of the media stream."""
    return media_stream.due_at is None and media_stream.state in (
        StreamState.STOPPED,
        StreamState.FAILED,
    )


def may_be_held(media_stream: ManagedStream) -> bool:
    """Return whether a gateway accepted the media stream and has not reported its end."""
    return media_stream.gateway is not None and not media_stream.closed


def newest_generation(state: CallStreams) -> int:
    """Return the greatest generation so far, or 0."""
    return max((m.generation for m in state.media_streams), default=0)


def was_streamed(state: CallStreams, call_sid: str | None) -> bool:
    """Return whether the leg was streamed before, which means that it was in progress and is not
    ringing."""
    return any(
        m.opened_at is not None and m.call_sid == call_sid is not None for m in state.media_streams
    )


def stopped(media_stream: ManagedStream, reason: Reason, *, closed: bool) -> ManagedStream:
    """Return the media stream as ended. `reason` is used unless one was published before."""
    state = StreamState.FAILED if media_stream.state == StreamState.FAILED else StreamState.STOPPED
    published = reason if is_live(media_stream) else reason_of(media_stream)
    return replace(
        media_stream,
        state=state,
        reason=published.text,
        reason_code=published.code,
        phase=StreamPhase.QUIET,
        due_at=None,
        closed=media_stream.closed or closed,
    )


def to_stop(media_stream: ManagedStream, reason: Reason, now: int) -> ManagedStream:
    """Return the media stream as one to stop at once. A failed one stays failed."""
    state = StreamState.FAILED if media_stream.state == StreamState.FAILED else StreamState.STOPPING
    return replace(
        media_stream,
        state=state,
        reason=reason.text,
        reason_code=reason.code,
        phase=StreamPhase.BACKING_OFF,
        due_at=now,
    )


def failed(state: CallStreams, now: int) -> CallStreams:
    """Note that a media stream failed. The wait before the next one grows with the number of
    failures in a row."""
    failures = state.failures + 1
    return replace(state, failures=failures, not_before=now + back_off_ms(failures))


def find(state: CallStreams, suits: Callable[[ManagedStream], bool]) -> ManagedStream | None:
    """Return the first media stream for which `suits` is true, or None."""
    return next((m for m in state.media_streams if suits(m)), None)


def put(state: CallStreams, old: ManagedStream, new: ManagedStream) -> CallStreams:
    """Return the state with `new` in the place of `old`; the same object if they are equal."""
    if new == old:
        return state
    streams = tuple(new if m is old else m for m in state.media_streams)
    return replace(state, media_streams=streams)
