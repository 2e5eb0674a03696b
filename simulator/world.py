"""The state of the simulated Twilio: legs, conferences, media streams. In memory, without I/O.

The script's actions change it. The REST double reads it, and starts and stops media streams in it.
The media senders get from it the voices to send.
"""

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from simulator.audio import Voice
from simulator.expected import SentFrame
from simulator.script import (
    Action,
    ConferenceBegan,
    ConferenceEnded,
    DialledEnds,
    HoldChanged,
    Json,
    LegBegan,
    LegChanged,
    LegStatus,
    Line,
    ParticipantJoined,
    ParticipantLeft,
    Sids,
)
from simulator.unlike import NONE, Unlike

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
TRACKS = {"inbound_track": 1, "outbound_track": 1, "both_tracks": 2}
MOST_TRACKS, FEW_TRACKS = 4, 2
MOST_PARAMETER_CHARACTERS = 500
"""The limit of a custom parameter's name and value together."""
ENDED = frozenset({LegStatus.COMPLETED, LegStatus.NO_ANSWER})


class ApiError(Exception):
    """A refusal in Twilio's form: HTTP status, code, message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(f"{status}/{code}: {message}")
        self.status, self.code, self.message = status, code, message


def not_found(path: str) -> ApiError:
    """Return the refusal for a resource that does not exist."""
    return ApiError(404, 20404, f"The requested resource {path} was not found")


@dataclass(slots=True)
class WorldParticipant:
    """A leg in a conference."""

    call_sid: str
    label: str | None
    voice: Voice
    coaching: bool
    hold: bool = False
    muted: bool = False


@dataclass(slots=True)
class Conference:
    """A conference with its present participants, in the order in which they joined."""

    sid: str
    friendly_name: str
    began_at: int
    participants: dict[str, WorldParticipant] = field(default_factory=dict)
    ended_at: int | None = None


class StreamStatus(StrEnum):
    """A media stream's status in the REST API."""

    IN_PROGRESS = "in-progress"
    STOPPED = "stopped"


@dataclass(slots=True)
class MediaStream:
    """A started media stream and the frames that were sent on it.

    `sent_at`: when each frame was sent (ms); `stopping`: the sender must end it; `began_at`,
    `ended_at`: when media began and ended (ms); `trouble`: the error by which it ended, if any;
    `rang_ms`: how long its leg rang; `is_void`: its leg was never answered.
    """

    sid: str
    call_sid: str
    name: str
    url: str
    track: str
    parameters: Mapping[str, str]
    requested_at: int
    status: StreamStatus = StreamStatus.IN_PROGRESS
    stopping: bool = False
    began_at: int | None = None
    ended_at: int | None = None
    trouble: str | None = None
    rang_ms: int = 0
    is_void: bool = False
    sent: list[SentFrame] = field(default_factory=list)
    sent_at: "array[int]" = field(default_factory=lambda: array("q"))


@dataclass(slots=True)
class WorldLeg:
    """A call leg with its media streams. `attempts`: how many starts were requested, refused ones
    included."""

    sid: str
    status: LegStatus
    seed: str
    line: Line
    began_at: int
    ended_at: int | None = None
    media_streams: list[MediaStream] = field(default_factory=list)
    attempts: int = 0
    ends: DialledEnds = field(default_factory=DialledEnds)


@dataclass(frozen=True, slots=True)
class ConferenceScene:
    """The audible voices in a conference from `at` (ms) on, by call SID, in the order in which they
    joined. Participants that are not connected, muted or on hold are not audible."""

    at: int
    voices: tuple[tuple[str, Voice], ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """The voices on a leg's two tracks."""

    inbound: Voice
    outbound: Voice


class World:
    """The whole state. Times are milliseconds since the epoch.

    `refusing`: legs on which Twilio refuses every start of a media stream; `requests`: the times of
    the REST requests about each task; `unlike`: the assumptions that do not hold; `monologues`:
    legs outside conferences, with the voices that they hear (`placed.py`); `origins`: when the
    voices of each call begin, by its seed; `journal`: all that was audible in each conference;
    `events`: TaskRouter's events by SID, delivered or not.
    """

    def __init__(self, sids: Sids, unlike: frozenset[Unlike] = NONE) -> None:
        self._sids = sids
        self.unlike = unlike
        self.monologues: dict[str, Callable[[], Voice]] = {}
        self.legs: dict[str, WorldLeg] = {}
        self.conferences: dict[str, Conference] = {}
        self.refusing: set[str] = set()
        self.requests: dict[str, list[int]] = {}
        self.origins: dict[str, int] = {}
        self.journal: dict[str, list[ConferenceScene]] = {}
        self.events: dict[str, Json] = {}

    def apply(self, action: Action, now: int, *, seed: str = "", line: Line | None = None) -> None:
        """Change the world by a script's action. `seed` and `line`: of the call, for a leg that
        begins. Events and the monitored list are not part of the world."""
        match action:
            case LegBegan(call_sid, status, ends):
                self.origins.setdefault(seed, now)
                leg = WorldLeg(call_sid, status, seed, line or Line(), now, ends=ends)
                self.legs[call_sid] = leg
            case LegChanged(call_sid, status):
                leg = self.legs[call_sid]
                leg.status = status
                leg.ended_at = now if status in ENDED else None
            case ConferenceBegan(conference_sid, name):
                self.conferences[conference_sid] = Conference(conference_sid, name, now)
            case ParticipantJoined(conference_sid, call_sid, label, voice, coaching, muted):
                self.conferences[conference_sid].participants[call_sid] = WorldParticipant(
                    call_sid, label, voice, coaching, muted=muted
                )
            case ParticipantLeft(conference_sid, call_sid):
                self.conferences[conference_sid].participants.pop(call_sid, None)
            case HoldChanged(conference_sid, call_sid, hold):
                self.conferences[conference_sid].participants[call_sid].hold = hold
            case ConferenceEnded(conference_sid):
                self.conferences[conference_sid].ended_at = now
                self.conferences[conference_sid].participants.clear()
            case _:
                return
        self._note(now)

    def _note(self, now: int) -> None:
        """Note the audible voices of each conference, if they have changed."""
        for conference in self.conferences.values():
            voices = tuple(
                (p.call_sid, p.voice)
                for p in conference.participants.values()
                if self.legs[p.call_sid].status is LegStatus.IN_PROGRESS
                and not (p.coaching or p.muted or p.hold)
            )
            scenes = self.journal.setdefault(conference.sid, [])
            if not scenes or scenes[-1].voices != voices:
                scenes.append(ConferenceScene(now, voices))

    def scene(self, call_sid: str) -> Scene | None:
        """Return the voices on a leg now; None if it is not in progress."""
        if self.legs[call_sid].status is not LegStatus.IN_PROGRESS:
            return None
        if (heard := self.monologues.get(call_sid)) is not None:
            return Scene(Voice.SILENCE, heard())
        for conference in self.conferences.values():
            if (me := conference.participants.get(call_sid)) is not None:
                return Scene(me.voice, self._heard_by(me, conference))
        return Scene(Voice.CUSTOMER, Voice.HOLD_MUSIC)

    def _heard_by(self, me: WorldParticipant, conference: Conference) -> Voice:
        if me.hold:
            return Voice.HOLD_MUSIC
        for other in conference.participants.values():
            connected = self.legs[other.call_sid].status is LegStatus.IN_PROGRESS
            heard = not (other.coaching or other.muted or other.hold)
            if other is not me and connected and heard:
                return other.voice
        return Voice.HOLD_MUSIC

    def start_media_stream(self, call_sid: str, form: Mapping[str, str], now: int) -> MediaStream:
        """Carry out a Start Stream request. Raise `ApiError` if Twilio would refuse it."""
        if (leg := self.legs.get(call_sid)) is None:
            raise not_found(f"/Calls/{call_sid}/Streams.json")
        leg.attempts += 1
        url, track = form.get("Url", ""), form.get("Track", "inbound_track")
        _check_url(url)
        if track not in TRACKS:
            raise ApiError(400, 20001, f"Invalid Track: {track!r}")
        if not self._takes_start(leg):
            raise ApiError(400, 21220, "Call is not in-progress. Cannot start a stream.")
        if call_sid in self.refusing or leg.line.refused:
            raise ApiError(400, 20001, "Media streams are not allowed on this call")
        sid = self._sids.new("MZ")
        name = form.get("Name") or sid
        running = [s for s in leg.media_streams if s.status is StreamStatus.IN_PROGRESS]
        if Unlike.SAME_NAME not in self.unlike and any(name == s.name for s in running):
            raise ApiError(409, 21299, f"A stream named {name!r} exists on this call")
        most = FEW_TRACKS if Unlike.TRACK_LIMIT in self.unlike else MOST_TRACKS
        if sum(TRACKS[other.track] for other in running) + TRACKS[track] > most:
            raise ApiError(400, 21298, "Too many tracks are streamed on this call")
        started = MediaStream(sid, call_sid, name, url, track, _parameters(form), now)
        leg.media_streams.append(started)
        return started

    def stop_media_stream(self, call_sid: str, sid_or_name: str, status: str) -> MediaStream:
        """Carry out a Stop Stream request. A media stream that has ended is not found. Raise
        `ApiError`."""
        if status != "stopped":
            raise ApiError(400, 20001, f"Invalid Status: {status!r}")
        leg = self.legs.get(call_sid)
        if leg is not None and leg.status in ENDED:
            raise self._over(f"/Calls/{call_sid}/Streams/{sid_or_name}.json")
        for media_stream in leg.media_streams if leg else ():
            known = sid_or_name in (media_stream.sid, media_stream.name)
            if known and media_stream.status is StreamStatus.IN_PROGRESS:
                media_stream.stopping = True
                media_stream.status = StreamStatus.STOPPED
                return media_stream
        raise not_found(f"/Calls/{call_sid}/Streams/{sid_or_name}.json")

    def _takes_start(self, leg: WorldLeg) -> bool:
        if leg.status is LegStatus.RINGING:
            return Unlike.START_WHILE_RINGING in self.unlike
        return leg.status is LegStatus.IN_PROGRESS

    def _over(self, path: str) -> ApiError:
        """Return the refusal of a stop after the call's end."""
        if Unlike.STOP_AFTER_END in self.unlike:
            return ApiError(400, 21220, "Call is not in-progress. Cannot stop a stream.")
        return not_found(path)


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    secure = parts.scheme == "wss" and bool(parts.hostname)
    if not secure and not (parts.scheme == "ws" and parts.hostname in LOOPBACK_HOSTS):
        raise ApiError(400, 21217, f"Url must be a wss:// URL: {url!r}")
    if "?" in url or "#" in url:
        raise ApiError(400, 21217, "Url must not have a query string")


def _parameters(form: Mapping[str, str]) -> dict[str, str]:
    parameters = {}
    for number in range(1, 100):
        if (name := form.get(f"Parameter{number}.Name")) is not None:
            value = form.get(f"Parameter{number}.Value", "")
            if len(name) + len(value) > MOST_PARAMETER_CHARACTERS:
                raise ApiError(400, 20001, f"Parameter{number} is too long")
            parameters[name] = value
    return parameters
