"""A call as a timeline: the things that happen at Twilio, their times, and the expected result.

Times are milliseconds since the epoch. `cases` creates each script before it is played. A script is
complete: it has the events that go into Kinesis, the legs and the conference that the REST API
shows, the voices, and the contact that the product must create.
"""

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

from simulator.audio import Voice

Json = dict[str, Any]


class LegStatus(StrEnum):
    """The status of a call leg at Twilio, as far as it matters here."""

    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    NO_ANSWER = "no-answer"


@dataclass(frozen=True, slots=True)
class DialledEnds:
    """The two ends of a leg and its direction, as `Calls/{CA}.json` shows them."""

    caller: str = ""
    called: str = ""
    direction: str = "inbound"


@dataclass(frozen=True, slots=True)
class LegBegan:
    """A call leg exists from now on."""

    call_sid: str
    status: LegStatus
    ends: DialledEnds = DialledEnds()


@dataclass(frozen=True, slots=True)
class LegChanged:
    """A leg was answered, or ended."""

    call_sid: str
    status: LegStatus


@dataclass(frozen=True, slots=True)
class ConferenceBegan:
    """The conference of a task; its friendly name is the task SID."""

    conference_sid: str
    friendly_name: str


@dataclass(frozen=True, slots=True)
class ParticipantJoined:
    """The conference lists a leg from now on; it is `connected` only while its leg is in
    progress."""

    conference_sid: str
    call_sid: str
    label: str | None
    voice: Voice
    coaching: bool = False
    muted: bool = False


@dataclass(frozen=True, slots=True)
class ParticipantLeft:
    """The conference no longer lists a leg."""

    conference_sid: str
    call_sid: str


@dataclass(frozen=True, slots=True)
class HoldChanged:
    """A participant was put on hold, or the hold ended."""

    conference_sid: str
    call_sid: str
    hold: bool


@dataclass(frozen=True, slots=True)
class ConferenceEnded:
    """The conference is over."""

    conference_sid: str


@dataclass(frozen=True, slots=True)
class EventSent:
    """Event Streams gets a CloudEvent. `prompt`: it may be repeated but must not be late, because
    an urgent decision depends on it (which agent takes over the customer that another one leaves).
    `record`: the bytes of the Kinesis record, if it is not the plain JSON of `event`. `is_lost`:
    Event Streams never delivers it; TaskRouter lists it all the same."""

    event: Json
    prompt: bool = False
    record: bytes | None = None
    is_lost: bool = False


@dataclass(frozen=True, slots=True)
class AgentListed:
    """The administrator adds a line to the list of monitored agents."""

    line: str


Action = (
    LegBegan
    | LegChanged
    | ConferenceBegan
    | ParticipantJoined
    | ParticipantLeft
    | HoldChanged
    | ConferenceEnded
    | EventSent
    | AgentListed
)


@dataclass(frozen=True, slots=True)
class ScriptStep:
    """An action and its time."""

    at: int
    action: Action


@dataclass(frozen=True, slots=True)
class ExpectedSession:
    """One agent's part of a call. `started_at` None: the reservation was never accepted;
    `monitored` None: both values are correct."""

    reservation_sid: str
    extension: str
    monitored: bool | None
    started_at: int | None
    ended_at: int


@dataclass(frozen=True, slots=True)
class ExpectedRecording:
    """A media stream must run from `begins_at` (at most `slack` late) to `ends_at`. `extensions`:
    the monitored agents on it, in order."""

    begins_at: int
    ends_at: int
    slack: int
    extensions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expectation:
    """The contact that a call must result in. `is_contact` False: it must not result in one.
    `most_requests`: how many REST requests about the task Twilio may get within 20 s of the first
    one; None: any number. `foreign_leg`: the leg of another call, which the task names: a media
    stream of it must be stopped at once, and nothing of it may be heard. `is_recovered`: no media
    stream can run, and the required audio must be fetched from Twilio's own recording.
    `is_undelivered`: the reason is that no event of the call is ever delivered."""

    direction: str
    customer: str | None
    queue: str
    outcome: str
    sessions: tuple[ExpectedSession, ...]
    recordings: tuple[ExpectedRecording, ...]
    is_contact: bool = True
    most_requests: int | None = None
    foreign_leg: str | None = None
    is_recovered: bool = False
    is_undelivered: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """The faults of a call's media, by the numbers of the frames, on both tracks.

    `lost`: frames that Twilio numbers and then drops; `silent`: other frames that it never creates;
    `stays_on_ms`: how long coded media continue after the media stream was stopped or the call has
    ended, unless the socket is closed; `refused`: Twilio refuses every start of a media stream.
    """

    lost: range = range(0)
    silent: range = range(0)
    stays_on_ms: int = 0
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """A whole call. `legs`: all call SIDs in it; `ends_at`: when the last party hangs up;
    `beside`: another call that belongs to the case, and is played and checked with this one."""

    case: str
    title: str
    task_sid: str
    customer_call_sid: str | None
    legs: tuple[str, ...]
    steps: tuple[ScriptStep, ...]
    line: Line
    begins_at: int
    ends_at: int
    expectation: Expectation
    beside: "Script | None" = None


@dataclass(frozen=True, slots=True)
class Sids:
    """Generates SIDs. The same `random` gives the same SIDs."""

    random: Random

    def new(self, kind: str) -> str:
        """Return a new SID. `kind`: its two letters, such as `CA` for a call."""
        return f"{kind}{self.random.getrandbits(128):032x}"
