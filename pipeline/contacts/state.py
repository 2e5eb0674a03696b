"""The state from which a contact is made, collected from `calls`, `stream.events` and `recordings`.

Order and repetition do not matter. Each part is a set, or keeps the greatest value by its own
order, so that the same records give the same `ContactState` in any interleaving. A full set keeps
the latest values by that order. Only `latest_at` and `changes` depend on arrival; their sum is the
contact's revision. It grows with every record that changed something. In a replay from the topics
it is at least as great at every later record, because log times are kept. So the database never
returns to an older version.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

from pipeline.calls.merge import merge
from pipeline.contacts.causes import cause_of, with_cause
from pipeline.reconciliation import evidence
from pipeline.streams.marks import NoLeg
from pipeline.streams.verification import VERIFY
from schemas.codec import decode, encode
from schemas.records import (
    Call,
    CommandAnswered,
    ContactState,
    HandshakeRefused,
    MediaStreamChanged,
    MediaStreamOpened,
    ReconciliationEvidence,
    RecordingCompleted,
    RecordingDecided,
    RecordingStarted,
)
from schemas.states import LegResult, RecordingSource, StreamState

StreamInput = (
    Call
    | RecordingDecided
    | MediaStreamChanged
    | MediaStreamOpened
    | CommandAnswered
    | HandshakeRefused
    | RecordingStarted
    | RecordingCompleted
)
Input = StreamInput | ReconciliationEvidence
"""The records from which a contact is made."""

KEPT_MS = 4 * 60 * 60 * 1000
"""How long a contact that is over is kept after its last record."""

AWAITED_MS = 4 * 24 * 60 * 60 * 1000
"""The longest time (ms) that any contact is kept after its last record. Later, `media` no longer
has the audio from which a missing recording could be made."""

MAX_DECISIONS = 2_000
MAX_RECORDINGS = 1_000
MAX_MEDIA_STREAMS = 500
"""The number of decisions, open recordings, complete recordings and media streams that are kept,
the latest of each. A state, and the contact made from it, must fit into one record of 4 MB. Earlier
recordings stay in the database."""

_LIFE: Mapping[str, int] = {
    StreamState.STARTING: 0,
    StreamState.RUNNING: 1,
    StreamState.STOPPING: 2,
    StreamState.STOPPED: 3,
    StreamState.FAILED: 3,
}
_NOT_CONNECTED_CODES = frozenset({21220, 404, 20404})
_NOT_CONNECTED = frozenset(
    reason.value for reason in (NoLeg.NO_CONFERENCE, NoLeg.NOBODY, NoLeg.RINGING, NoLeg.UNSURE)
)

T = TypeVar("T")
K = TypeVar("K")


def empty(task_sid: str) -> ContactState:
    """Return the state of a contact without records."""
    return ContactState(task_sid, 0, 0, 0, None, (), (), (), False, False, (), ())


def fold(state: ContactState, record: Input, now: int) -> ContactState:
    """Return the state with a record that was read at `now` (ms, log time). If the record has
    nothing new, return the same object."""
    if isinstance(record, ReconciliationEvidence):
        taken = _with_evidence(state, record)
    else:
        taken = _taken(state, record)
    return state if taken == state else touched(taken, now)


def touched(state: ContactState, now: int) -> ContactState:
    """Return a later version of the state, made at `now` (ms, log time)."""
    return replace(state, latest_at=max(state.latest_at, now), changes=state.changes + 1)


def revision(state: ContactState) -> int:
    """Return a number that grows with every change: a greater one is a later version."""
    return state.latest_at + state.changes


def call_of(state: ContactState) -> Call | None:
    """Return the latest version of the call; None if there is none."""
    return None if state.call is None else _decoded(state.call)


def awaited(state: ContactState) -> frozenset[str]:
    """Return the SIDs of media streams that a gateway opened without a complete recording, or with
    a recording that was started and is not complete."""
    complete = {recording.stream_sid for recording in state.completed}
    begun = {recording.stream_sid for recording in open_recordings(state)}
    return (frozenset(state.opened) - complete) | begun


def open_recordings(state: ContactState) -> tuple[RecordingStarted, ...]:
    """Return the recordings that were started and are not complete. A media stream may have several
    recordings; each counts by itself."""
    started = _without_earlier_versions(state.started)
    is_full = len(state.completed) >= MAX_RECORDINGS
    since = state.completed[0].started_at if is_full else 0
    ids = {r.recording_id for r in state.completed if r.recording_id}
    unnamed = {_place(r) for r in state.completed if not r.recording_id}
    places = {_place(r) for r in state.completed}

    def is_complete(recording: RecordingStarted) -> bool:
        if not recording.recording_id:
            return _place(recording) in places
        return recording.recording_id in ids or _place(recording) in unnamed

    return tuple(r for r in started if r.started_at >= since and not is_complete(r))


def complete_recordings(state: ContactState) -> tuple[RecordingCompleted, ...]:
    """Return the recordings that are complete, each once."""
    return _without_earlier_versions(state.completed)


def brought_nothing(state: ContactState) -> bool:
    """Return whether all media streams of the call ended without a single frame.

    A media stream may start on a leg that is still ringing, so it does not show an answer; its
    first frame does.
    """
    streamed = [r for r in state.completed if r.source == RecordingSource.STREAM]
    recorded = {recording.stream_sid for recording in streamed}
    if not recorded or open_recordings(state) or not recorded.issuperset(state.opened):
        return False
    frames = (r.received + r.lost + r.withheld + r.invalid for r in streamed)
    return not any(frames)


def is_forgettable(state: ContactState, *, over: bool, now: int) -> bool:
    """Return whether the state may be dropped: its call is `over`, its recordings are complete, and
    it has had no record for a long time."""
    idle = now - state.latest_at
    return idle >= AWAITED_MS or (over and idle >= KEPT_MS and not awaited(state))


def _with_evidence(state: ContactState, record: ReconciliationEvidence) -> ContactState:
    known = state.evidence or evidence.empty(state.task_sid)
    return replace(state, evidence=evidence.merged(known, record))


def _taken(state: ContactState, record: StreamInput) -> ContactState:
    match record:
        case Call():
            return _with_call(state, record)
        case RecordingDecided():
            decisions = _added(state.decisions, record, lambda d: (d.at, d.decision))
            return replace(state, decisions=decisions[-MAX_DECISIONS:])
        case MediaStreamChanged():
            return _with_cause(_with_media_stream(state, record), record)
        case MediaStreamOpened():
            return _with_opened(state, record)
        case CommandAnswered():
            return _with_cause(_with_answer(state, record), record)
        case HandshakeRefused():
            return _with_cause(state, record)
        case RecordingStarted() | RecordingCompleted():
            return _with_recording(state, record)


def _with_media_stream(state: ContactState, changed: MediaStreamChanged) -> ContactState:
    streams = _added(state.media_streams, changed, _stream_key, keep=_life)
    connected = state.connected or changed.state == StreamState.RUNNING
    return replace(state, media_streams=streams[-MAX_MEDIA_STREAMS:], connected=connected)


def _with_recording(
    state: ContactState, record: RecordingStarted | RecordingCompleted
) -> ContactState:
    if isinstance(record, RecordingStarted):
        started = _added(state.started, record, _recording_key)
        return replace(state, started=started[-MAX_RECORDINGS:], connected=True)
    completed = _added(state.completed, record, _recording_key)
    # Twilio records a conference from its first participant on, so a recording shows no answer.
    connected = state.connected or record.source == RecordingSource.STREAM
    return replace(state, completed=completed[-MAX_RECORDINGS:], connected=connected)


def _with_call(state: ContactState, call: Call) -> ContactState:
    known = call_of(state)
    if known is None:
        return replace(state, call=encode(call))
    # Merged, not replaced: after a rebuild of its table, a tracker counts versions from 1 again.
    later, earlier = (call, known) if call.revision >= known.revision else (known, call)
    merged = merge(later, earlier)
    return state if merged == known else replace(state, call=encode(merged))


def _with_opened(state: ContactState, opened: MediaStreamOpened) -> ContactState:
    first = state.first_opened_at
    return replace(
        state,
        opened=tuple(sorted({*state.opened, opened.stream_sid}))[-MAX_RECORDINGS:],
        first_opened_at=opened.at if first is None else min(first, opened.at),
        connected=True,
    )


def _with_cause(
    state: ContactState, record: CommandAnswered | MediaStreamChanged | HandshakeRefused
) -> ContactState:
    cause = cause_of(record)
    return state if cause is None else replace(state, causes=with_cause(state.causes, cause))


def _with_answer(state: ContactState, answer: CommandAnswered) -> ContactState:
    if answer.command == VERIFY and answer.outcome == LegResult.CONTRADICTED and answer.call_sid:
        foreign = sorted({*state.foreign_legs, answer.call_sid})
        return replace(state, foreign_legs=tuple(foreign)[-MAX_MEDIA_STREAMS:])
    if answer.command != "start":
        return state
    if answer.outcome == "done":
        return replace(state, connected=True)
    if answer.code in _NOT_CONNECTED_CODES or answer.detail in _NOT_CONNECTED:
        return replace(state, unconnected=True)
    return state


def _added(
    known: tuple[T, ...],
    new: T,
    key: Callable[[T], K],
    keep: Callable[[T], object] = repr,
) -> tuple[T, ...]:
    """Return the values with `new` added, in the order of their keys. Of two values with the same
    key, the greater by `keep` stays."""
    by_key = {key(value): value for value in known}
    rival = by_key.get(key(new))
    if rival is None or _greater(keep(new), keep(rival)):
        by_key[key(new)] = new
    return tuple(by_key[k] for k in _in_order(by_key))


def _in_order(keys: Iterable[K]) -> list[K]:
    return sorted(keys)  # type: ignore[type-var]


def _greater(a: object, b: object) -> bool:
    return bool(a > b)  # type: ignore[operator]


Recorded = TypeVar("Recorded", RecordingStarted, RecordingCompleted)


def _place(recording: RecordingStarted | RecordingCompleted) -> tuple[int, str, str]:
    """Return the recording's identity in records of earlier versions, without recording ids."""
    return recording.started_at, recording.stream_sid, recording.inum


def _recording_key(recording: RecordingStarted | RecordingCompleted) -> tuple[int, str, str, str]:
    return (*_place(recording), recording.recording_id)


def _without_earlier_versions(recordings: tuple[Recorded, ...]) -> tuple[Recorded, ...]:
    """Return the recordings without those records of earlier versions that have a later one."""
    later = {_place(r) for r in recordings if r.recording_id}
    return tuple(r for r in recordings if r.recording_id or _place(r) not in later)


def _stream_key(media_stream: MediaStreamChanged) -> tuple[int, str]:
    # Generation 0: not started by us. The SID distinguishes such media streams.
    generation = media_stream.generation
    return generation, "" if generation else media_stream.stream_sid or ""


def _life(media_stream: MediaStreamChanged) -> tuple[int, int, str]:
    return _LIFE.get(media_stream.state, 0), media_stream.at, repr(media_stream)


@lru_cache(maxsize=2048)
def _decoded(data: bytes) -> Call:
    call: Call = decode(data)
    return call
