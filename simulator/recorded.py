"""Twilio's own recordings of the conferences that were played, with two channels.

Channel 1 is the first participant, channel 2 is everyone else. A recording begins with
its first participant; Twilio states that to the second. It can be played once it was processed.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from simulator.audio import FRAME_BYTES, FRAME_MS, Voice, frame
from simulator.mulaw import SILENCE
from simulator.world import Conference, ConferenceScene, World

SAMPLES_PER_MS = 8
PROCESSING_MS = 1_500
SILENT_FRAME = bytes([SILENCE]) * FRAME_BYTES


class RecordingQuirk(StrEnum):
    """A peculiarity of a conference's recording. NONE: Twilio has none."""

    MONO = "mono"
    DELETED = "deleted"
    ABSENT = "absent"
    ENCRYPTED = "encrypted"
    NONE = "none"


class RecordingStatus(StrEnum):
    """The status of a recording at Twilio."""

    IN_PROGRESS = "in-progress"
    PROCESSING = "processing"
    COMPLETED = "completed"
    ABSENT = "absent"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class ConferenceRecording:
    """A recording at a moment. `started_at`, `ended_at`: its true times (ms)."""

    sid: str
    conference_sid: str
    call_sid: str
    started_at: int
    ended_at: int
    status: RecordingStatus
    channels: int
    encrypted: bool


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """The recording of a call, with the mu-law samples of the customer and of the others."""

    recording: ConferenceRecording
    customer: bytes
    others: bytes


@dataclass(slots=True)
class RecordedConferences:
    """The recordings of a world. `quirks`: by task SID; `processing_ms`: how long Twilio needs
    after the end of a conference; `deleted`: SIDs that a request has deleted."""

    world: World
    quirks: dict[str, RecordingQuirk] = field(default_factory=dict)
    processing_ms: int = PROCESSING_MS
    deleted: set[str] = field(default_factory=set)

    def all(self, now: int) -> list[ConferenceRecording]:
        """Return all recordings as they are at `now` (ms), the newest first."""
        found = [self._of(conference, now) for conference in self.world.conferences.values()]
        return sorted(filter(None, found), key=lambda r: r.started_at, reverse=True)

    def find(self, sid: str, now: int) -> ConferenceRecording | None:
        """Return a recording by its SID."""
        return next((r for r in self.all(now) if r.sid == sid), None)

    def of_call(self, task_sid: str, customer: str | None, now: int) -> RecordedCall | None:
        """Return the recording of a task's conference. `customer`: the customer's leg."""
        for recording in self.all(now):
            if self.world.conferences[recording.conference_sid].friendly_name == task_sid:
                first, other = self.channels(recording)
                sides = (first, other) if recording.call_sid == customer else (other, first)
                return RecordedCall(recording, *sides)
        return None

    def channels(self, recording: ConferenceRecording) -> tuple[bytes, bytes]:
        """Return the mu-law samples of the first participant and of everyone else."""
        scenes = self.world.journal[recording.conference_sid]
        seed = self.world.legs[recording.call_sid].seed
        origin = self.world.origins[seed]
        first = (recording.started_at - origin) // FRAME_MS
        last = -(-(recording.ended_at - origin) // FRAME_MS)
        numbers = range(first, last)
        times = (max(origin + number * FRAME_MS, recording.started_at) for number in numbers)
        heard = [_scene_at(scenes, at) for at in times]
        begin = (recording.started_at - origin - first * FRAME_MS) * SAMPLES_PER_MS
        size = (recording.ended_at - recording.started_at) * SAMPLES_PER_MS
        sides = (
            [_voice_of(scene, recording.call_sid, is_own=is_own) for scene in heard]
            for is_own in (True, False)
        )
        one, other = (
            b"".join(
                SILENT_FRAME if voice is None else frame(seed, voice, number)
                for voice, number in zip(side, numbers, strict=True)
            )[begin : begin + size]
            for side in sides
        )
        return one, other

    def joined(self, conference_sid: str) -> list[tuple[str, int]]:
        """Return the participants of a conference, with the times (ms) of joining, in order. Twilio
        lets them join one after the other: no two have the same time."""
        found: dict[str, int] = {}
        for scene in self.world.journal.get(conference_sid, ()):
            for call_sid, _ in scene.voices:
                if call_sid not in found:
                    found[call_sid] = max(scene.at, *(at + 1 for at in found.values()), 0)
        return list(found.items())

    def _of(self, conference: Conference, now: int) -> ConferenceRecording | None:
        quirk = self.quirks.get(conference.friendly_name)
        scenes = self.world.journal.get(conference.sid, [])
        begun = [scene for scene in scenes if scene.voices]
        if not begun or quirk is RecordingQuirk.NONE:
            return None
        ended_at = now if conference.ended_at is None or scenes[-1].voices else scenes[-1].at
        digest = hashlib.sha256(conference.sid.encode()).hexdigest()
        is_mono = quirk in (RecordingQuirk.MONO, RecordingQuirk.ENCRYPTED)
        sid = f"RE{digest[:32]}"
        return ConferenceRecording(
            sid,
            conference.sid,
            begun[0].voices[0][0],
            begun[0].at,
            ended_at,
            self._status(sid, quirk, ended_at, now),
            1 if is_mono else 2,
            quirk is RecordingQuirk.ENCRYPTED,
        )

    def _status(
        self, sid: str, quirk: RecordingQuirk | None, ended_at: int, now: int
    ) -> RecordingStatus:
        if ended_at == now:
            return RecordingStatus.IN_PROGRESS
        if now < ended_at + self.processing_ms:
            return RecordingStatus.PROCESSING
        if quirk is RecordingQuirk.ABSENT:
            return RecordingStatus.ABSENT
        if quirk is RecordingQuirk.DELETED or sid in self.deleted:
            return RecordingStatus.DELETED
        return RecordingStatus.COMPLETED


def _scene_at(scenes: Sequence[ConferenceScene], at: int) -> ConferenceScene:
    number = bisect_right([scene.at for scene in scenes], at)
    return scenes[max(0, number - 1)]


def _voice_of(scene: ConferenceScene, first: str, *, is_own: bool) -> Voice | None:
    found: Iterable[Voice] = (v for call_sid, v in scene.voices if (call_sid == first) is is_own)
    return next(iter(found), None)
