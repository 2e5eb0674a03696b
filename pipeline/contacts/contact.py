"""The consolidated contact, made from what is known of it. Nothing is remembered here: the same
`ContactState`, policy and time give the same contact."""

from collections.abc import Iterable, Sequence

from pipeline.calls import view as calls
from pipeline.calls.monitored import PolicyHistory, Stretch
from pipeline.calls.view import CallView
from pipeline.calls.workers import value
from pipeline.contacts.gaps import gaps
from pipeline.contacts.match import Watched, extension_at, extensions_during
from pipeline.contacts.state import call_of, revision
from schemas.records import (
    Call,
    Contact,
    ContactConnection,
    ContactDecision,
    ContactRecording,
    ContactState,
    ContactStream,
    RecordingCompleted,
    RecordingStarted,
    Session,
)

ANSWERED, ABANDONED, UNANSWERED = "answered", "abandoned", "unanswered"


def contact(state: ContactState, history: PolicyHistory, now: int) -> Contact | None:
    """The contact at `now` (ms, log time). None where there is none: the call is not known, no
    voice call, or has neither a reservation nor been cancelled yet."""
    call = call_of(state)
    if call is None:
        return None
    seen = calls.view(call)
    if seen.state not in (calls.ACTIVE, calls.ENDED):
        return None
    stretches = [_stretches(session, history, now) for session in seen.sessions]
    sessions = tuple(map(_session, seen.sessions, stretches))
    recordings = _recordings(state, _watched(seen, stretches))
    decisions = _decisions(state)
    active = seen.state == calls.ACTIVE
    return Contact(
        contact_id=state.task_sid,
        task_sid=state.task_sid,
        direction=seen.direction or calls.INBOUND,
        customer=seen.customer,
        queue=seen.queue,
        started_at=seen.started_at,
        ended_at=seen.ended_at,
        state="active" if active else "ended",
        outcome=_outcome(state, call, seen),
        sessions=sessions,
        recordings=recordings,
        decisions=decisions,
        connections=_connections(state, seen),
        streams=tuple(
            ContactStream(m.generation, m.stream_sid, m.call_sid, m.name, m.state, m.reason)
            for m in state.media_streams
        ),
        call_sids=_call_sids(call, state, recordings),
        in_progress=active,
        revision=revision(state),
        updated_at=state.latest_at,
        gaps=gaps(recordings, decisions),
    )


def is_settled(made: Contact | None) -> bool:
    """Whether no later version of the monitored list can change the contact: nobody is on it."""
    return made is not None and all(
        session.started_at is None or session.ended_at is not None for session in made.sessions
    )


def _stretches(session: calls.Session, history: PolicyHistory, now: int) -> tuple[Stretch, ...]:
    """When the worker was on the call and on the list, as far as time has come."""
    if session.started_at is None:
        return ()
    end = now if session.ended_at is None else session.ended_at
    return history.stretches(session, session.started_at, end)


def _session(session: calls.Session, stretches: tuple[Stretch, ...]) -> Session:
    return Session(
        reservation_sid=session.reservation_sid,
        extension=session.extension,
        monitored=bool(stretches),
        started_at=session.started_at,
        ended_at=session.ended_at,
    )


def _watched(seen: CallView, stretches: Sequence[tuple[Stretch, ...]]) -> list[Watched]:
    return [
        Watched(session.extension, when)
        for session, when in zip(seen.sessions, stretches, strict=True)
        if when and session.extension is not None
    ]


def _outcome(state: ContactState, call: Call, seen: CallView) -> str | None:
    over = seen.state == calls.ENDED
    if any(session.started_at is not None for session in seen.sessions):
        if seen.direction != calls.OUTBOUND or seen.answered or state.connected:
            return ANSWERED
        # Outbound, and nothing shows that the called party answered.
        if seen.never_answered or state.unconnected or _is_waiting(state):
            return UNANSWERED if over else None
        return ANSWERED if over else None
    if not over:
        return None
    inbound = seen.direction in (None, calls.INBOUND)
    return ABANDONED if inbound and "canceled" in call.milestones else UNANSWERED


def _is_waiting(state: ContactState) -> bool:
    """Whether a media stream is still wanted of a leg that never came, as far as is known: Twilio's
    answer is yet to come."""
    return any(m.state in ("starting", "stopping") for m in state.media_streams)


def _connections(state: ContactState, seen: CallView) -> tuple[ContactConnection, ...]:
    # A media stream of an outbound call tells sooner than any event that it was answered.
    told = {calls.RINGING: calls.ON} if state.connected else {}
    return tuple(
        ContactConnection(connection.extension, told.get(connection.state, connection.state))
        for connection in seen.connections
    )


def _decisions(state: ContactState) -> tuple[ContactDecision, ...]:
    return tuple(
        ContactDecision(d.at, d.decision, d.reason, d.policy_version) for d in state.decisions
    )


def _recordings(state: ContactState, watched: list[Watched]) -> tuple[ContactRecording, ...]:
    complete = {recording.stream_sid for recording in state.completed}
    begun = (r for r in state.started if r.stream_sid not in complete)
    found = [
        *(_complete(recording, watched) for recording in state.completed),
        *(_open(recording, watched) for recording in begun),
    ]
    return tuple(sorted(found, key=lambda r: (r.started_at, r.inum)))


def _complete(recording: RecordingCompleted, watched: list[Watched]) -> ContactRecording:
    extension = extension_at(watched, recording.started_at)
    return ContactRecording(
        inum=recording.inum,
        call_sid=recording.call_sid,
        stream_sid=recording.stream_sid,
        extension=extension,
        extensions=extensions_during(watched, recording.started_at, recording.ended_at),
        state="complete",
        started_at=recording.started_at,
        duration_ms=recording.duration_ms,
        received=recording.received,
        lost=recording.lost,
        duplicate=recording.duplicate,
        invalid=recording.invalid,
        audio=recording.audio,
        manifest=recording.manifest,
    )


def _open(recording: RecordingStarted, watched: list[Watched]) -> ContactRecording:
    return ContactRecording(
        inum=recording.inum,
        call_sid=recording.call_sid,
        stream_sid=recording.stream_sid,
        extension=extension_at(watched, recording.started_at),
        extensions=extensions_during(watched, recording.started_at, None),
        state="recording",
        started_at=recording.started_at,
        duration_ms=None,
        received=0,
        lost=0,
        duplicate=0,
        invalid=0,
        audio=None,
        manifest=None,
    )


def _call_sids(
    call: Call, state: ContactState, recordings: Iterable[ContactRecording]
) -> tuple[str, ...]:
    found = {leg.call_sid for leg in call.legs}
    found |= {value(call.facts, name) or "" for name in ("customer_call_sid", "worker_call_sid")}
    found |= {media_stream.call_sid or "" for media_stream in state.media_streams}
    found |= {recording.call_sid for recording in recordings}
    return tuple(sorted(found - {""}))
