"""A call as a timeline: what happens at Twilio and when, and what must come of it.

Times are milliseconds since the epoch. A script is made before it is played, by `cases`, and says
everything: the events that go into Kinesis, the legs and the conference that the REST API shows,
who is heard, and the contact that the product must make of it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from simulator.audio import Voice

Json = dict[str, Any]


class LegStatus(StrEnum):
    """The status of a call at Twilio, as far as it matters."""

    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    NO_ANSWER = "no-answer"


@dataclass(frozen=True, slots=True)
class LegEnds:
    """The two ends of a leg and its direction, as `Calls/{CA}.json` shows them."""

    caller: str = ""
    called: str = ""
    direction: str = "inbound"


@dataclass(frozen=True, slots=True)
class LegBegan:
    """A call leg exists from now on."""

    call_sid: str
    status: LegStatus
    ends: LegEnds = LegEnds()


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
    """A leg is listed in the conference; it is `connected` only when its leg is in progress."""

    conference_sid: str
    call_sid: str
    label: str | None
    voice: Voice
    coaching: bool = False
    muted: bool = False


@dataclass(frozen=True, slots=True)
class ParticipantLeft:
    """A leg is no longer listed in the conference."""

    conference_sid: str
    call_sid: str


@dataclass(frozen=True, slots=True)
class HoldChanged:
    """A participant was put on hold, or taken off."""

    conference_sid: str
    call_sid: str
    hold: bool


@dataclass(frozen=True, slots=True)
class ConferenceEnded:
    """The conference is over."""

    conference_sid: str


@dataclass(frozen=True, slots=True)
class EventSent:
    """A CloudEvent goes to Event Streams. `prompt`: it may be repeated but not be late, because a
    decision that cannot wait hangs on it (who takes over the customer that an agent leaves).
    `record`: the bytes of the Kinesis record, if it is not the plain JSON of `event`."""

    event: Json
    prompt: bool = False
    record: bytes | None = None


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
class Step:
    """Something that happens at `at`."""

    at: int
    action: Action


@dataclass(frozen=True, slots=True)
class ExpectedSession:
    """One agent's part. `started_at` None: the reservation was never accepted. `monitored` None:
    either is right."""

    reservation_sid: str
    extension: str
    monitored: bool | None
    started_at: int | None
    ended_at: int


@dataclass(frozen=True, slots=True)
class ExpectedRecording:
    """A media stream must run from `begins_at` (at most `slack` late) to `ends_at`. `extensions`:
    the monitored agents who were on it, in order."""

    begins_at: int
    ends_at: int
    slack: int
    extensions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expectation:
    """The contact that must come of a call. `is_contact` False: none may come of it.
    `most_requests`: the REST requests about the task that Twilio may get in the first 20 s after
    the first of them; None: any number."""

    direction: str
    customer: str | None
    queue: str
    outcome: str
    sessions: tuple[ExpectedSession, ...]
    recordings: tuple[ExpectedRecording, ...]
    is_contact: bool = True
    most_requests: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """What the media of a call go through, by the numbers of the frames, on both tracks: those of
    `lost` Twilio drops after it numbered their messages, those of `silent` it never makes, unless
    they are lost. `stays_on_ms`: coded media go on for so long after the media stream was stopped,
    or the call is over, unless the socket is closed."""

    lost: range = range(0)
    silent: range = range(0)
    stays_on_ms: int = 0


@dataclass(frozen=True, slots=True)
class Script:
    """A whole call. `legs`: all call SIDs in it; `ends_at`: when the last party hangs up."""

    case: str
    title: str
    task_sid: str
    customer_call_sid: str | None
    legs: tuple[str, ...]
    steps: tuple[Step, ...]
    line: Line
    begins_at: int
    ends_at: int
    expectation: Expectation
