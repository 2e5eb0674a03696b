"""Make the consolidated contact from its state. The same `ContactState`, policy and time always
give the same contact."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pipeline.calls import view as calls
from pipeline.calls.claims import contradictions
from pipeline.calls.sessions import CallSession as WorkerSession
from pipeline.calls.view import CallView
from pipeline.calls.workers import value
from pipeline.contacts.capture import capture_of
from pipeline.contacts.match import Watched
from pipeline.contacts.recordings import recordings_of
from pipeline.contacts.state import brought_nothing, call_of, revision
from pipeline.policy.monitored_list import PolicyHistory, Stretch
from pipeline.reconciliation import result
from schemas.records import (
    Call,
    Contact,
    ContactConnection,
    ContactContradiction,
    ContactDecision,
    ContactRecording,
    ContactState,
    ContactStream,
    RequiredSpan,
    Session,
)
from schemas.states import CallState, ConnectionState, Direction, Outcome, StreamState

MAX_PARTS = 2_000
"""The greatest number of sessions, connections and call SIDs of a contact, so that it fits into one
record. The latest sessions and connections are kept."""
MAX_CONTRADICTIONS = 100
"""The number of contradictions that are shown, the earliest ones."""


def contact(state: ContactState, history: PolicyHistory, now: int) -> Contact | None:
    """Return the contact at `now` (ms, log time). None if there is no contact: the call is not
    known, is not a voice call, or has no reservation and was not cancelled."""
    call = call_of(state)
    if call is None:
        return None
    seen = calls.view(call)
    if seen.state not in (CallState.ACTIVE, CallState.ENDED):
        return None
    stretches = [_stretches(session, history, now) for session in seen.sessions]
    sessions = tuple(map(_session, seen.sessions, stretches))
    recordings = recordings_of(state, _watched(seen, stretches))
    captured = capture_of(state, call, seen, recordings, history=history, now=now)
    active = seen.state == CallState.ACTIVE
    made = Contact(
        contact_id=state.task_sid,
        task_sid=state.task_sid,
        direction=seen.direction or Direction.INBOUND,
        customer=seen.customer,
        queue=seen.queue,
        started_at=seen.started_at,
        ended_at=seen.ended_at,
        state=CallState.ACTIVE if active else CallState.ENDED,
        outcome=_outcome(state, call, seen),
        sessions=sessions[-MAX_PARTS:],
        recordings=recordings,
        decisions=_decisions(state),
        connections=_connections(state, seen)[-MAX_PARTS:],
        streams=tuple(
            ContactStream(m.generation, m.stream_sid, m.call_sid, m.name, m.state, m.reason)
            for m in state.media_streams
        ),
        call_sids=_call_sids(call, state, recordings)[:MAX_PARTS],
        in_progress=active,
        revision=revision(state),
        updated_at=state.latest_at,
        gaps=captured.gaps,
        capture=captured.capture,
        required_ms=captured.required_ms,
        captured_ms=captured.captured_ms,
        required=tuple(RequiredSpan(*span) for span in captured.required[-MAX_PARTS:]),
        customer_call_sids=_customer_legs(call, seen),
        contradictions=_contradictions(call),
    )
    if state.evidence is None or made.ended_at is None:
        return made
    version = history.at(made.ended_at).version
    return replace(made, reconciliation=result.of_contact(state.evidence, made, version))


def _contradictions(call: Call) -> tuple[ContactContradiction, ...]:
    found = contradictions(call)[:MAX_CONTRADICTIONS]
    return tuple(
        ContactContradiction(c.reservation_sid, c.name, c.value, c.held, c.at) for c in found
    )


def unmatched(state: ContactState) -> tuple[ContactRecording, ...]:
    """Return the recordings of a call without a contact, by start. Its workers are not known, so
    the recordings have no extension."""
    return recordings_of(state, [])


def is_settled(made: Contact | None) -> bool:
    """Return whether no later version of the monitored list can change the contact: the call is
    over, or no worker has accepted it yet."""
    return made is not None and (
        made.state == CallState.ENDED
        or all(session.started_at is None for session in made.sessions)
    )


def _stretches(session: WorkerSession, history: PolicyHistory, now: int) -> tuple[Stretch, ...]:
    """Return the periods up to `now` in which the worker was on the call and on the list."""
    if session.started_at is None:
        return ()
    end = now if session.ended_at is None else session.ended_at
    return history.stretches(session, session.started_at, end)


def _session(session: WorkerSession, stretches: tuple[Stretch, ...]) -> Session:
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


def _outcome(state: ContactState, call: Call, seen: CallView) -> Outcome | None:
    over = seen.state == CallState.ENDED
    if any(session.started_at is not None for session in seen.sessions):
        if seen.direction != Direction.INTERNAL and not _has_leg(state, call):
            return Outcome.UNANSWERED if over else None  # a callback, or voicemail
        is_silent = brought_nothing(state)
        is_connected = state.connected and not is_silent
        if seen.direction != Direction.OUTBOUND or seen.answered or is_connected:
            return Outcome.ANSWERED
        # Outbound, and nothing shows that the called party answered.
        if seen.never_answered or state.unconnected or is_silent or _is_waiting(state):
            return Outcome.UNANSWERED if over else None
        return Outcome.ANSWERED if over else None
    if not over:
        return None
    inbound = seen.direction in (None, Direction.INBOUND)
    return Outcome.ABANDONED if inbound and "canceled" in call.milestones else Outcome.UNANSWERED


def _has_leg(state: ContactState, call: Call) -> bool:
    """Return whether a call belongs to the task, as far as known: a voice task may have no call."""
    named = {"customer_call_sid", "customer_joined", "worker_call_sid"} & call.facts.keys()
    return bool(call.legs or named) or state.connected


def _is_waiting(state: ContactState) -> bool:
    """Return whether a wanted media stream waits for its leg, as far as known: Twilio has not
    answered yet."""
    return any(m.state in (StreamState.STARTING, StreamState.STOPPING) for m in state.media_streams)


def _connections(state: ContactState, seen: CallView) -> tuple[ContactConnection, ...]:
    # The media stream of an outbound call shows the answer earlier than any event.
    shown_as: dict[str, str] = {}
    if state.connected:
        shown_as = {ConnectionState.RINGING: ConnectionState.ACTIVE}
    return tuple(
        ContactConnection(connection.extension, shown_as.get(connection.state, connection.state))
        for connection in seen.connections
    )


def _decisions(state: ContactState) -> tuple[ContactDecision, ...]:
    return tuple(
        ContactDecision(d.at, d.decision, d.reason, d.policy_version) for d in state.decisions
    )


def _customer_legs(call: Call, seen: CallView) -> tuple[str, ...]:
    found = {leg.call_sid for leg in seen.legs.customers}
    found |= {value(call.facts, "customer_call_sid") or ""} - {""}
    return tuple(sorted(found))[:MAX_PARTS]


def _call_sids(
    call: Call, state: ContactState, recordings: Iterable[ContactRecording]
) -> tuple[str, ...]:
    found = {leg.call_sid for leg in call.legs}
    found |= {value(call.facts, name) or "" for name in ("customer_call_sid", "worker_call_sid")}
    found |= {media_stream.call_sid or "" for media_stream in state.media_streams}
    found |= {recording.call_sid for recording in recordings}
    return tuple(sorted(found - {""}))
