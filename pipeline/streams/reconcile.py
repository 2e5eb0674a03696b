"""Moves the media streams that are towards those that should be.

Level-triggered: `reconcile` looks at what is known, on every record and tick alike, so that a lost
or repeated record corrects itself. Exactly one media stream of the customer's leg runs while the
call must be recorded, and none otherwise.
"""

from dataclasses import dataclass, replace

from pipeline.streams.names import start_command_id, stop_command_id, stream_name
from pipeline.streams.state import (
    ANSWERED,
    BACKING_OFF,
    FAILED,
    QUIET,
    REPEATED,
    SENT,
    STARTING,
    STOPPING,
    failed,
    is_live,
    is_over,
)
from schemas.records import (
    CallStreams,
    ManagedStream,
    MediaStreamChanged,
    StartDuplicateStream,
    StopDuplicateStream,
)

START_EXPIRY_MS = 30_000
STOP_EXPIRY_MS = 15_000
REPEAT_MS = 3_000
"""An unanswered start command is sent once more after this, in case it was lost."""
GRACE_MS = 2_000
"""What the answer to an expired command may take."""
KEPT = 20
"""How many media streams that are over are remembered."""

Command = StartDuplicateStream | StopDuplicateStream


@dataclass(frozen=True, slots=True)
class Demand:
    """What should be: whether a media stream should run, why, and how the leg is told. `begins`
    False: one that runs goes on, none is started."""

    desired: bool
    reason: str
    policy_version: int
    begins: bool = True
    call_sid: str | None = None
    direction: str | None = None
    worker_marks: tuple[str, ...] = ()
    customer_marks: tuple[str, ...] = ()


def reconcile(
    state: CallStreams, demand: Demand, now: int
) -> tuple[CallStreams, tuple[Command, ...]]:
    """The next state, and the commands that lead from what is to what should be. At rest (nothing
    due, demand met) both are unchanged and empty."""
    streams: list[ManagedStream] = []
    commands: list[Command] = []
    for before in state.media_streams:
        after = _unwanted(before, demand, now)
        if before.phase == ANSWERED and after.state == FAILED:
            state = failed(state, now)
        after, command = _due(state.task_sid, after, demand, now)
        streams.append(after)
        commands += [command] if command else []
    wanted = demand.desired and demand.begins and not any(map(is_live, streams))
    if wanted and now >= state.not_before:
        first, command = _first_attempt(state, demand, now)
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
    """What changed between two states, for others to see."""
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


def _unwanted(media_stream: ManagedStream, demand: Demand, now: int) -> ManagedStream:
    """The same, on its way out if it should not run, or if it never came."""
    if not is_live(media_stream):
        return media_stream
    if not demand.desired:
        return replace(
            media_stream, state=STOPPING, reason=demand.reason, phase=BACKING_OFF, due_at=now
        )
    never_came = media_stream.phase == ANSWERED and _is_due(media_stream, now)
    if never_came:
        return replace(
            media_stream,
            state=FAILED,
            reason="failed: started, but never reached a gateway",
            phase=BACKING_OFF,
            due_at=now,
        )
    return media_stream


def _due(
    task_sid: str, media_stream: ManagedStream, demand: Demand, now: int
) -> tuple[ManagedStream, Command | None]:
    """The same after what is due for it now, and the command to send."""
    if _leg_is_known_now(media_stream, demand):
        return _attempt(task_sid, media_stream, demand, now)
    if not _is_due(media_stream, now):
        return media_stream, None
    if media_stream.state == STARTING:
        if media_stream.phase == SENT:
            again = replace(
                media_stream,
                phase=REPEATED,
                due_at=media_stream.issued_at + START_EXPIRY_MS + GRACE_MS,
            )
            return again, _start(task_sid, again, demand)
        return _attempt(task_sid, media_stream, demand, now)
    return _stop(task_sid, media_stream, now)


def _leg_is_known_now(media_stream: ManagedStream, demand: Demand) -> bool:
    asked_blindly = media_stream.state == STARTING and media_stream.call_sid is None
    return asked_blindly and media_stream.phase != ANSWERED and demand.call_sid is not None


def _is_due(media_stream: ManagedStream, now: int) -> bool:
    return media_stream.due_at is not None and now >= media_stream.due_at


def _first_attempt(
    state: CallStreams, demand: Demand, now: int
) -> tuple[ManagedStream, StartDuplicateStream]:
    generation = 1 + max((m.generation for m in state.media_streams), default=0)
    fresh = ManagedStream(
        generation=generation,
        state=STARTING,
        reason=demand.reason,
        call_sid=None,
        stream_sid=None,
        name=None,
        gateway=None,
        epoch=0,
        attempt=0,
        stop_attempt=0,
        issued_at=now,
        due_at=None,
        phase=QUIET,
        opened_at=None,
        closed=False,
    )
    return _attempt(state.task_sid, fresh, demand, now)


def _attempt(
    task_sid: str, media_stream: ManagedStream, demand: Demand, now: int
) -> tuple[ManagedStream, StartDuplicateStream]:
    call_sid = demand.call_sid
    tried = replace(
        media_stream,
        call_sid=call_sid,
        name=stream_name(task_sid, call_sid, media_stream.generation) if call_sid else None,
        attempt=media_stream.attempt + 1,
        issued_at=now,
        due_at=now + REPEAT_MS,
        phase=SENT,
    )
    return tried, _start(task_sid, tried, demand)


def _start(task_sid: str, media_stream: ManagedStream, demand: Demand) -> StartDuplicateStream:
    m = media_stream
    return StartDuplicateStream(
        command_id=start_command_id(task_sid, m.generation, m.attempt),
        task_sid=task_sid,
        call_sid=m.call_sid,
        generation=m.generation,
        issued_at=m.issued_at,
        expires_at=m.issued_at + START_EXPIRY_MS,
        reason=m.reason,
        policy_version=demand.policy_version,
        direction=demand.direction,
        worker_marks=demand.worker_marks,
        customer_marks=demand.customer_marks,
    )


def _stop(
    task_sid: str, media_stream: ManagedStream, now: int
) -> tuple[ManagedStream, StopDuplicateStream]:
    m = replace(
        media_stream,
        stop_attempt=media_stream.stop_attempt + 1,
        issued_at=now,
        due_at=now + STOP_EXPIRY_MS + GRACE_MS,
        phase=SENT,
    )
    return m, StopDuplicateStream(
        command_id=stop_command_id(task_sid, m.generation, m.stream_sid, m.stop_attempt),
        task_sid=task_sid,
        call_sid=m.call_sid,
        generation=m.generation,
        stream_sid=m.stream_sid,
        name=m.name,
        issued_at=now,
        expires_at=now + STOP_EXPIRY_MS,
        reason=m.reason,
    )


def _remembered(streams: list[ManagedStream]) -> tuple[ManagedStream, ...]:
    """The media streams without the oldest of those that are over. The newest generation stays, for
    the next one counts on from it."""
    surplus = sum(map(is_over, streams)) - KEPT
    newest = max((m.generation for m in streams), default=0)
    kept: list[ManagedStream] = []
    for media_stream in streams:
        if surplus > 0 and is_over(media_stream) and media_stream.generation != newest:
            surplus -= 1
        else:
            kept.append(media_stream)
    return tuple(kept)
