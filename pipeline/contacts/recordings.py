"""The recordings of a contact, each with the workers that it belongs to. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from pipeline.contacts.match import Watched, extension_at, extensions_during
from pipeline.contacts.state import complete_recordings, open_recordings
from schemas.records import ContactRecording, ContactState, RecordingCompleted, RecordingStarted
from schemas.states import RecordingState

LEG_CONTRADICTED = "leg-contradicted"
"""Why a recording is withheld: Twilio says that its leg belongs to another call."""


def recordings_of(state: ContactState, watched: Sequence[Watched]) -> tuple[ContactRecording, ...]:
    """Return the complete and the open recordings, by start; supplements are among them.
    `watched`: the sessions of monitored workers."""
    found = [
        *(_complete(recording, watched) for recording in complete_recordings(state)),
        *(_open(recording, watched) for recording in open_recordings(state)),
    ]
    withheld = (_withheld(recording, state.foreign_legs) for recording in found)
    return tuple(sorted(withheld, key=lambda r: (r.started_at, r.inum, r.recording_id)))


def _withheld(recording: ContactRecording, foreign_legs: Sequence[str]) -> ContactRecording:
    if recording.call_sid not in foreign_legs:
        return recording
    return replace(recording, withheld_because=LEG_CONTRADICTED)


def _complete(recording: RecordingCompleted, watched: Sequence[Watched]) -> ContactRecording:
    start, end = recording.started_at, recording.ended_at
    return ContactRecording(
        inum=recording.inum,
        call_sid=recording.call_sid,
        stream_sid=recording.stream_sid,
        extension=extension_at(watched, start),
        extensions=extensions_during(watched, start, end),
        state=RecordingState.COMPLETE,
        started_at=start,
        duration_ms=recording.duration_ms,
        received=recording.received,
        lost=recording.lost,
        duplicate=recording.duplicate,
        invalid=recording.invalid,
        audio=recording.audio,
        manifest=recording.manifest,
        recording_id=recording.recording_id,
        supplement_of=recording.supplement_of,
        lost_for=recording.lost_for,
        lost_at_end=recording.lost_at_end,
        withheld=recording.withheld,
        withheld_ms=recording.withheld_ms,
        silent_ms=recording.silent_ms,
        source=recording.source,
    )


def _open(recording: RecordingStarted, watched: Sequence[Watched]) -> ContactRecording:
    return ContactRecording(
        inum=recording.inum,
        call_sid=recording.call_sid,
        stream_sid=recording.stream_sid,
        extension=extension_at(watched, recording.started_at),
        extensions=extensions_during(watched, recording.started_at, None),
        state=RecordingState.RECORDING,
        started_at=recording.started_at,
        duration_ms=None,
        received=0,
        lost=0,
        duplicate=0,
        invalid=0,
        audio=None,
        manifest=None,
        recording_id=recording.recording_id,
        supplement_of=recording.supplement_of,
    )
