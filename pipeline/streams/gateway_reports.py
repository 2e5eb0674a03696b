"""Apply the reports of gateways and Twilio about media streams, and a gateway's silence, to a
call's state.

Each function accepts reports in any order and repeatedly, and sends nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pipeline.streams.command_results import OPENING_MS
from pipeline.streams.gateway_liveness import Fate, Gateways
from pipeline.streams.names import MAX_GENERATION
from pipeline.streams.reasons import NO_REASON, Reason, reason_of
from pipeline.streams.state import (
    back_off_ms,
    find,
    is_live,
    is_over,
    new_stream,
    newest_generation,
    put,
    stopped,
    to_stop,
)
from schemas.records import (
    CallStreams,
    GatewayStarted,
    ManagedStream,
    MediaStreamClosed,
    MediaStreamOpened,
    ReportedStream,
)
from schemas.states import ReasonCode, StreamPhase, StreamState

YOUNG_MS = 10_000
"""A media stream that ends before it has run this long (ms) counts as a failure."""
AFTER_STOP_MS = 1_000
"""The wait (ms) after Twilio ended a media stream: most likely the call is over, and the event of
its end will follow."""
REPORT_MS = 12_000
"""After Twilio reported the end, the gateway reports it within this time (ms): the socket ends, or
it sends nothing for 5 s and answers no ping for another 5 s."""
HOPE_MS = 1_000
"""A media stream that Twilio started before a gateway came up may have been on its way to the
process that was down. It may still arrive within this time (ms) after its start."""

ATTENTIVE_MS = 15 * 60_000
"""How long (ms) after the end of a call the end of its media stream on a silent gateway is still
expected. A gateway that returns later reads the decision and closes the socket itself."""

TOO_MANY = Reason("stopped: a media stream too many", ReasonCode.ONE_STREAM_TOO_MANY)
ENDS: Mapping[str, Reason] = {
    "stop": Reason("ended: Twilio ended it", ReasonCode.TWILIO_ENDED),
    "dropped": Reason("ended: the socket was dropped", ReasonCode.SOCKET_DROPPED),
    "drained": Reason("ended: its gateway was stopped", ReasonCode.GATEWAY_STOPPED),
    "protocol-error": Reason(
        "ended: the socket did not keep to the protocol", ReasonCode.PROTOCOL_ERROR
    ),
    "no-media": Reason(
        "ended: no audio came, and its socket answered no ping", ReasonCode.NO_MEDIA
    ),
    "not-to-be-recorded": Reason(
        "ended: its gateway had last read that the call is not to be recorded",
        ReasonCode.NOT_TO_BE_RECORDED,
    ),
}
"""Why a media stream ended that should be running, by the reason in its `MediaStreamClosed`."""
REPLACED = Reason("ended: its gateway died and started again", ReasonCode.GATEWAY_REPLACED)
"""Why a media stream ended: its gateway was reported to have started again."""
STALE = Reason("ended: its gateway had announced a later epoch", ReasonCode.GATEWAY_STALE)
"""Why a media stream ended: it is running on a gateway that counts as replaced."""
SILENT = Reason("ended: its gateway has not been heard for 10 s", ReasonCode.GATEWAY_SILENT)
"""Why a media stream ended: its gateway may be cut off, or dead."""


def opened(state: CallStreams, event: MediaStreamOpened, now: int) -> CallStreams:
    """Handle the report that a gateway accepted a media stream."""
    known = _by_sid(state, event.stream_sid)
    if known is not None and known.opened_at is not None:
        return state  # reported before
    own = find(state, lambda m: m.generation == event.generation > 0)
    if own is not None and own.opened_at is None:
        return put(state, own, _arrived(own, event, now))
    newest = newest_generation(state)
    if own is None and newest < event.generation <= MAX_GENERATION:
        # Started before a crash, and forgotten in it. Whether it may continue is decided as for any
        # other.
        found = new_stream(event.generation, StreamState.STARTING, NO_REASON, now)
        if any(map(is_live, state.media_streams)):
            found = to_stop(found, TOO_MANY, now)
    else:
        found = to_stop(new_stream(0, StreamState.STOPPING, TOO_MANY, now), TOO_MANY, now)
    return replace(state, media_streams=(*state.media_streams, _arrived(found, event, now)))


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
    if own.state == StreamState.STARTING:
        return replace(known, state=StreamState.RUNNING, phase=StreamPhase.QUIET, due_at=None)
    # It must not run any more. A stop that was sent may have reached Twilio before the media stream
    # existed.
    return to_stop(replace(known, state=StreamState.STOPPING), reason_of(own), now)


def closed(state: CallStreams, event: MediaStreamClosed, now: int) -> CallStreams:
    """Handle the report that a media stream ended at its gateway."""
    ended = _by_sid(state, event.stream_sid)
    if ended is None or ended.closed:
        return state
    reason = ENDS.get(event.reason) or Reason(f"ended: {event.reason}", ReasonCode.GATEWAY_ENDED)
    after = put(state, ended, stopped(ended, reason, closed=True))
    return _ended(after, ended, now, wait=AFTER_STOP_MS if event.reason == "stop" else 0)


def _ended(state: CallStreams, ended: ManagedStream, now: int, wait: int) -> CallStreams:
    """Return the state after the end of a media stream. If it should have continued, the next one
    may start after `wait` (ms)."""
    if not is_live(ended):
        return state
    lived = now - (now if ended.opened_at is None else ended.opened_at)
    failures = state.failures + 1 if lived < YOUNG_MS else 0
    return replace(state, failures=failures, not_before=now + max(back_off_ms(failures), wait))


def gateway_started(state: CallStreams, event: GatewayStarted, now: int) -> CallStreams:
    """Handle the start of a gateway. Media streams of its earlier epochs are gone, and those that
    should have arrived while it was down will not arrive."""
    for media_stream in state.media_streams:
        if (
            media_stream.gateway == event.gateway
            and media_stream.epoch < event.epoch
            and not media_stream.closed
        ):
            gone = stopped(media_stream, REPLACED, closed=True)
            state = put(state, media_stream, gone)
        elif (
            media_stream.state == StreamState.STARTING
            and media_stream.phase == StreamPhase.ANSWERED
        ):
            state = put(state, media_stream, _hoped_for(media_stream, now))
    return state


def _hoped_for(awaited: ManagedStream, now: int) -> ManagedStream:
    if awaited.due_at is None or awaited.due_at <= now + HOPE_MS:
        return awaited
    return replace(awaited, due_at=max(now, awaited.due_at - OPENING_MS + HOPE_MS))


def buried(state: CallStreams, gateways: Gateways, now: int) -> CallStreams:
    """Return the state without the media streams on gateways that are gone, as far as this process
    knows. If such a gateway sends a sign of life later and still has the media stream, it is
    stopped again."""
    for media_stream in state.media_streams:
        if media_stream.gateway is None or media_stream.closed:
            continue
        match gateways.fate(media_stream.gateway, media_stream.epoch, media_stream.opened_at):
            case Fate.REPLACED:
                state = put(state, media_stream, stopped(media_stream, REPLACED, closed=True))
            case Fate.SILENT | Fate.STALE as fate:
                reason = SILENT if fate is Fate.SILENT else STALE
                gone = _given_up(media_stream, reason, now)
                if is_over(gone) and _is_long_over(state, now):
                    gone = replace(gone, closed=True)  # no gateway is expected to report its end
                after = put(state, media_stream, gone)
                state = _ended(after, media_stream, now, wait=0)
            case Fate.ALIVE if is_over(media_stream):
                again = replace(media_stream, state=StreamState.STOPPING)
                state = put(state, media_stream, to_stop(again, reason_of(again), now))
    return state


def _is_long_over(state: CallStreams, now: int) -> bool:
    """Return whether the call ended `ATTENTIVE_MS` ago or earlier."""
    return state.ended_at is not None and now >= state.ended_at + ATTENTIVE_MS


def _given_up(media_stream: ManagedStream, reason: Reason, now: int) -> ManagedStream:
    """Return the media stream as one to stop. Its gateway may still be running, cut off, with the
    media stream open. So Twilio is asked to stop it, and only Twilio's answer can be expected."""
    if is_live(media_stream):
        return to_stop(media_stream, reason, now)
    if media_stream.phase == StreamPhase.ANSWERED:
        return stopped(media_stream, reason_of(media_stream), closed=False)
    return media_stream


def reported(state: CallStreams, reports: Iterable[ReportedStream], now: int) -> CallStreams:
    """Handle Twilio's status callbacks. Only reported ends are used: gateways report which media
    streams run."""
    for report in reports:
        if report.milestones.keys() & {"stopped", "error"}:
            own = _by_sid(state, report.stream_sid)
            if own is not None and is_live(own):
                state = _reported_over(state, own, report, now)
    return state


def _reported_over(
    state: CallStreams, own: ManagedStream, report: ReportedStream, now: int
) -> CallStreams:
    is_stop = "stopped" in report.milestones
    why, code = "Twilio reports that it stopped", ReasonCode.TWILIO_REPORTED_STOP
    if not is_stop:
        fact = report.facts.get("error")
        why = f"Twilio reports an error{f' ({fact.value})' if fact else ''}"
        code = ReasonCode.TWILIO_REPORTED_ERROR
    if own.state == StreamState.STARTING:
        over = to_stop(replace(own, state=StreamState.FAILED), Reason(f"failed: {why}", code), now)
    elif is_stop:
        over = to_stop(own, Reason(f"ended: {why}", code), now + REPORT_MS)
        over = replace(over, phase=StreamPhase.ANSWERED)
    else:  # an error does not say whether the media stream continues
        over = to_stop(own, Reason(f"ended: {why}", code), now)
    return _ended(put(state, own, over), own, now, wait=AFTER_STOP_MS if is_stop else 0)


def _by_sid(state: CallStreams, stream_sid: str) -> ManagedStream | None:
    return find(state, lambda m: m.stream_sid == stream_sid)
