"""Move the actual media streams of a call towards the wanted ones.

Level-triggered: `reconcile` compares the whole state on every record and every tick, so that the
effect of a lost or repeated record is corrected. While the call must be recorded, exactly one media
stream of the customer's leg runs; otherwise none.
"""

from dataclasses import dataclass, replace

from pipeline.streams.command_results import OPENING_MS
from pipeline.streams.names import start_command_id, stop_command_id, stream_name
from pipeline.streams.reasons import Reason
from pipeline.streams.state import (
    failed,
    is_live,
    is_over,
    new_stream,
    newest_generation,
    to_stop,
    was_streamed,
)
from schemas.records import (
    CallStreams,
    ManagedStream,
    MediaStreamChanged,
    StartDuplicateStream,
    StopDuplicateStream,
)
from schemas.states import ReasonCode, StreamPhase, StreamState

START_EXPIRY_MS = 30_000
PROBE_EXPIRY_MS = 5_000
"""The same for a leg that was streamed before and that an earlier command could not start again."""
STOP_EXPIRY_MS = 15_000
REPEAT_MS = 3_000
"""An unanswered command is sent once more after this time (ms), in case it was lost."""
GRACE_MS = 2_000
"""How long (ms) after its expiry a command may still be answered."""
NEVER_REACHED = Reason(
    "failed: started, but never reached a gateway", ReasonCode.NEVER_REACHED_GATEWAY
)
"""Why a media stream failed although Twilio answered that it started."""
KEPT = 20
"""The number of ended media streams that are remembered."""

Command = StartDuplicateStream | StopDuplicateStream


@dataclass(frozen=True, slots=True)
class Demand:
    """Whether a media stream should run, why, and how its leg is known. `begins` False: a running
    one continues, but none is started. `keeps`: none is stopped yet."""

    desired: bool
    reason: Reason
    policy_version: int
    begins: bool = True
    keeps: bool = False
    call_sid: str | None = None
    direction: str | None = None
    worker_marks: tuple[str, ...] = ()
    customer_marks: tuple[str, ...] = ()
    worker_ends: tuple[str, ...] = ()
    customer_ends: tuple[str, ...] = ()


def reconcile(
    state: CallStreams, demand: Demand, now: int, steady_since: int | None = 0
) -> tuple[CallStreams, tuple[Command, ...]]:
    """Return the next state, and the commands that move the media streams towards the demand. If
    the demand is met and nothing is due, the state is unchanged and there is no command.

    `steady_since`: since when the log's clock has run without a break; None if that is not known. A
    gateway's silence counts only during that time.
    """
    patient = steady_since is None or now < steady_since + OPENING_MS
    streams: list[ManagedStream] = []
    commands: list[Command] = []
    for before in state.media_streams:
        after = _unwanted(before, demand, now, patient=patient)
        if is_live(before) and after.state == StreamState.FAILED:
            state = failed(state, now)
        after, command = _due(state, after, demand, now)
        streams.append(after)
        commands += [command] if command else []
    wanted = demand.desired and demand.begins and not any(map(is_live, streams))
    if wanted and now >= state.not_before:
        first = new_stream(newest_generation(state) + 1, StreamState.STARTING, demand.reason, now)
        first, command = _attempt(state, first, demand, now)
        streams.append(first)
        commands.append(command)
    settled = replace(
        state,
        desired=demand.desired,
        media_streams=_remembered(streams),
    )
    return settled, tuple(commands)


def changes(
    before: CallStreams | None, after: CallStreams, now: int
) -> tuple[MediaStreamChanged, ...]:
    """Return the records of what changed between two states."""
    known = {_identity(m): _shown(m) for m in before.media_streams} if before else {}
    return tuple(
        MediaStreamChanged(
            task_sid=after.task_sid,
            generation=m.generation,
            name=m.name,
            call_sid=m.call_sid,
            stream_sid=m.stream_sid,
            state=m.state,
            reason=m.reason,
            at=now,
            cause_event_id=after.cause_event_id,
            reservation_sid=after.reservation_sid,
            reason_code=m.reason_code or None,
            decided_at=after.decided_at,
        )
        for m in after.media_streams
        if known.get(_identity(m)) != _shown(m)
    )


def _identity(media_stream: ManagedStream) -> tuple[int, str | None]:
    generation = media_stream.generation
    return generation, None if generation else media_stream.stream_sid


def _shown(media_stream: ManagedStream) -> tuple[object, ...]:
    m = media_stream
    return m.state, m.reason, m.name, m.call_sid, m.stream_sid


def _unwanted(
    media_stream: ManagedStream, demand: Demand, now: int, *, patient: bool
) -> ManagedStream:
    """Return the media stream, to be stopped if it should not run or never arrived. One that was
    not started by a known command gets the present reason."""
    if not is_live(media_stream) or (demand.keeps and not demand.desired):
        return media_stream
    if not demand.desired:
        return to_stop(media_stream, demand.reason, now)
    if media_stream.phase == StreamPhase.ANSWERED and _is_due(media_stream, now) and not patient:
        gone = replace(media_stream, state=StreamState.FAILED)
        return to_stop(gone, NEVER_REACHED, now)
    if media_stream.reason:
        return media_stream
    return replace(media_stream, reason=demand.reason.text, reason_code=demand.reason.code)


def _due(
    state: CallStreams, media_stream: ManagedStream, demand: Demand, now: int
) -> tuple[ManagedStream, Command | None]:
    """Return the media stream after its due step, and the command to send."""
    if _leg_is_another(media_stream, demand):
        return _attempt(state, media_stream, demand, now)
    if not _is_due(media_stream, now):
        return media_stream, None
    if media_stream.phase == StreamPhase.SENT:
        return _repeat(state, media_stream, demand)
    if media_stream.state != StreamState.STARTING:
        return _next_stop(state, media_stream, now)
    if media_stream.phase == StreamPhase.ANSWERED:
        return media_stream, None  # not due yet
    return _attempt(state, media_stream, demand, now)


def _leg_is_another(media_stream: ManagedStream, demand: Demand) -> bool:
    asked = (
        media_stream.state == StreamState.STARTING and media_stream.phase != StreamPhase.ANSWERED
    )
    return asked and demand.call_sid not in (None, media_stream.call_sid)


def _is_due(media_stream: ManagedStream, now: int) -> bool:
    return media_stream.due_at is not None and now >= media_stream.due_at


def _repeat(
    state: CallStreams, media_stream: ManagedStream, demand: Demand
) -> tuple[ManagedStream, Command]:
    """Return the media stream with its command sent once more, and the time by which the answer
    must arrive."""
    if media_stream.state == StreamState.STARTING:
        lasting = _start_expiry_ms(state, media_stream)
        command: Command = _start(state, media_stream, demand)
    else:
        lasting = STOP_EXPIRY_MS
        command = _stop(state, media_stream)
    due_at = media_stream.issued_at + lasting + GRACE_MS
    return replace(media_stream, phase=StreamPhase.REPEATED, due_at=due_at), command


def _attempt(
    state: CallStreams, media_stream: ManagedStream, demand: Demand, now: int
) -> tuple[ManagedStream, StartDuplicateStream]:
    call_sid = demand.call_sid
    generation = media_stream.generation
    tried = replace(
        media_stream,
        call_sid=call_sid,
        name=stream_name(state.task_sid, call_sid, generation) if call_sid else None,
        attempt=media_stream.attempt + 1,
        issued_at=now,
        due_at=now + REPEAT_MS,
        phase=StreamPhase.SENT,
    )
    return tried, _start(state, tried, demand)


def _start_expiry_ms(state: CallStreams, media_stream: ManagedStream) -> int:
    again = media_stream.attempt > 1 and was_streamed(state, media_stream.call_sid)
    return PROBE_EXPIRY_MS if again else START_EXPIRY_MS


def _start(state: CallStreams, media_stream: ManagedStream, demand: Demand) -> StartDuplicateStream:
    m = media_stream
    return StartDuplicateStream(
        command_id=start_command_id(state.task_sid, m.generation, m.attempt),
        task_sid=state.task_sid,
        call_sid=m.call_sid,
        generation=m.generation,
        issued_at=m.issued_at,
        expires_at=m.issued_at + _start_expiry_ms(state, m),
        reason=m.reason,
        policy_version=demand.policy_version,
        direction=demand.direction,
        worker_marks=demand.worker_marks,
        customer_marks=demand.customer_marks,
        worker_ends=demand.worker_ends,
        customer_ends=demand.customer_ends,
        cause_event_id=state.cause_event_id,
        reservation_sid=state.reservation_sid,
        reason_code=m.reason_code or None,
        decided_at=state.decided_at,
    )


def _next_stop(
    state: CallStreams, media_stream: ManagedStream, now: int
) -> tuple[ManagedStream, StopDuplicateStream]:
    tried = replace(
        media_stream,
        stop_attempt=media_stream.stop_attempt + 1,
        issued_at=now,
        due_at=now + REPEAT_MS,
        phase=StreamPhase.SENT,
    )
    return tried, _stop(state, tried)


def _stop(state: CallStreams, media_stream: ManagedStream) -> StopDuplicateStream:
    m = media_stream
    return StopDuplicateStream(
        command_id=stop_command_id(state.task_sid, m.generation, m.stream_sid, m.stop_attempt),
        task_sid=state.task_sid,
        call_sid=m.call_sid,
        generation=m.generation,
        stream_sid=m.stream_sid,
        name=m.name,
        issued_at=m.issued_at,
        expires_at=m.issued_at + STOP_EXPIRY_MS,
        reason=m.reason,
        cause_event_id=state.cause_event_id,
        reservation_sid=state.reservation_sid,
        reason_code=m.reason_code or None,
        decided_at=state.decided_at,
    )


def _remembered(streams: list[ManagedStream]) -> tuple[ManagedStream, ...]:
    """Return the media streams without the oldest ones that are over. Keep the newest generation,
    because the next one counts from it."""
    surplus = sum(map(is_over, streams)) - KEPT
    newest = max((m.generation for m in streams), default=0)
    kept: list[ManagedStream] = []
    for media_stream in streams:
        if surplus > 0 and is_over(media_stream) and media_stream.generation != newest:
            surplus -= 1
        else:
            kept.append(media_stream)
    return tuple(kept)
