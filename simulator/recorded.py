"""Twilio's own recordings of the conferences that were played, with two channels.

Channel 1 is the first participant, channel 2 is everyone else. A recording begins with
its first participant; Twilio states that to the second. It can be played once it was processed.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from simulator.audio import FRAME_BYTES, FRAME_MS, Voice, frames
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
    _made: dict[tuple[str, int], tuple[bytes, bytes]] = field(default_factory=dict)

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
        """Return the mu-law samples of the first participant and of everyone else. The result is
        cached."""
        name = (recording.sid, recording.ended_at)
        if name not in self._made:
            self._made[name] = self._channels(recording)
        return self._made[name]

    def _channels(self, recording: ConferenceRecording) -> tuple[bytes, bytes]:
        scenes = self.world.journal[recording.conference_sid]
        seed = self.world.legs[recording.call_sid].seed
        origin = self.world.origins[seed]
        parts = list(_parts(scenes, recording, origin))
        skipped = (recording.started_at - origin) % FRAME_MS * SAMPLES_PER_MS
        size = (recording.ended_at - recording.started_at) * SAMPLES_PER_MS
        one, other = (
            b"".join(
                _heard(seed, _voice_of(scene, recording.call_sid, is_own=is_own), numbers)
                for scene, numbers in parts
            )[skipped : skipped + size]
            for is_own in (True, False)
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

    def left(self, conference_sid: str) -> dict[str, int]:
        """Return when each participant of a conference was audible for the last time (ms), by call
        SID; without those that still are."""
        scenes = self.world.journal.get(conference_sid) or []
        return {
            call_sid: after.at
            for before, after in pairwise(scenes)
            for call_sid in dict(before.voices).keys() - dict(after.voices).keys()
            if call_sid not in dict(scenes[-1].voices)
        }

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


def _parts(
    scenes: Sequence[ConferenceScene], recording: ConferenceRecording, origin: int
) -> Iterator[tuple[ConferenceScene, range]]:
    """Yield the scenes of a recording, each with the numbers of the frames that begin in it. The
    first frame may have begun before the recording."""
    first = (recording.started_at - origin) // FRAME_MS
    last = -(-(recording.ended_at - origin) // FRAME_MS)
    begun = [scene for scene in scenes if scene.at <= recording.started_at][-1:]
    later = [scene for scene in scenes if scene.at > recording.started_at]
    begins = [first, *(min(last, -(-(scene.at - origin) // FRAME_MS)) for scene in later), last]
    for scene, (begin, end) in zip([*begun, *later], pairwise(begins), strict=True):
        yield scene, range(begin, end)


def _heard(seed: str, voice: Voice | None, numbers: range) -> bytes:
    return SILENT_FRAME * len(numbers) if voice is None else frames(seed, voice, numbers)


def _voice_of(scene: ConferenceScene, first: str, *, is_own: bool) -> Voice | None:
    found: Iterable[Voice] = (v for call_sid, v in scene.voices if (call_sid == first) is is_own)
    return next(iter(found), None)
