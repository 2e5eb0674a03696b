"""Write the steps of a call that are visible at Twilio: its events, legs and conference.

`building.CallBuilder` describes what people do. This module describes how that looks from outside.
"""

import hashlib
from collections.abc import Callable
from random import Random

from simulator import events
from simulator.audio import Voice
from simulator.envelopes import as_written
from simulator.events import Account
from simulator.part import WRAP_UP_MS, Part
from simulator.people import Agent
from simulator.script import (
    Action,
    ConferenceBegan,
    ConferenceEnded,
    DialledEnds,
    EventSent,
    Expectation,
    Json,
    LegBegan,
    LegChanged,
    LegStatus,
    Line,
    ParticipantJoined,
    ParticipantLeft,
    Script,
    ScriptStep,
    Sids,
)
from simulator.unlike import NONE, Unlike

_PARTICIPANT = {"Hold": "false", "Muted": "false", "Coaching": "false"}


class Stage:
    """The steps of one call. `now`: the cursor in time; `callbacks`, `call_callbacks`: those of the
    conference and of calls are configured; `channel`: the task channel; `labels_agents`: the
    conference labels the agents' legs; `write`: returns the bytes of an event's Kinesis record, if
    they are not its plain JSON; `unlike`: the assumptions about Twilio that do not hold."""

    def __init__(
        self, begins_at: int, account: Account, random: Random, unlike: frozenset[Unlike] = NONE
    ) -> None:
        self.now = self._begins_at = begins_at
        self.unlike = unlike
        self.callbacks = Unlike.CONFERENCE_CALLBACKS not in unlike
        self.call_callbacks = True
        self.channel = "voice"
        self.labels_agents = True
        self.write: Callable[[Json], bytes] | None = None
        self.queue = ""
        self.attributes: Json = {}
        self.sids = Sids(random)
        self.task_sid = self.sids.new("WT")
        self.steps: list[ScriptStep] = []
        self.legs: list[str] = []
        self.open_legs: list[str] = []
        self._account = account
        self._conference_sid = self.sids.new("CF")
        self._queue_sid = self.sids.new("WQ")
        self._conference_begun = False
        self._labels = random.choice(("worker_sid", "contact_uri", "reservation_sid"))
        self._text_versions = random.random() < 0.5
        self._sequence = 0
        self._task_version = 0

    def worker_sid(self, agent: Agent) -> str:
        """Return an agent's worker SID, which is the same in every call of the account."""
        name = f"{self._account.account_sid} {agent.email.lower()}"
        return "WK" + hashlib.sha256(name.encode()).hexdigest()[:32]

    def do(self, action: Action) -> None:
        """Add `action` at the present time."""
        self.steps.append(ScriptStep(self.now, action))

    def later(self, milliseconds: int, action: Callable[[], None]) -> None:
        """Run `action`; its steps happen some time from now. The cursor stays."""
        now, self.now = self.now, self.now + milliseconds
        action()
        self.now = now

    def leg(self, status: LegStatus, ends: DialledEnds, call_sid: str | None = None) -> str:
        """Begin a call leg. Return its SID."""
        call_sid = call_sid or self.sids.new("CA")
        self.legs.append(call_sid)
        self.open_legs.append(call_sid)
        self.do(LegBegan(call_sid, status, ends))
        return call_sid

    def end_leg(self, call_sid: str, status: LegStatus = LegStatus.COMPLETED) -> None:
        """End a leg."""
        self.open_legs.remove(call_sid)
        self.do(LegChanged(call_sid, status))

    def join(
        self,
        call_sid: str,
        label: str | None,
        voice: Voice,
        *,
        coaching: Json | None = None,
        muted: bool = False,
        announced: bool = True,
    ) -> None:
        """Add a leg to the conference. `announced`: with a callback."""
        if not self._conference_begun:
            self._conference_begun = True
            self.do(ConferenceBegan(self._conference_sid, self.task_sid))
        joined = ParticipantJoined(
            self._conference_sid, call_sid, label, voice, coaching is not None, muted
        )
        self.do(joined)
        if announced:
            self.announce_joined(call_sid, label, {"Muted": "true"} if muted else coaching)

    def announce_joined(self, call_sid: str, label: str | None, flags: Json | None = None) -> None:
        """Send the callback of a participant that joined."""
        unlabelled = label is None or Unlike.LABELS in self.unlike
        more: Json = {} if unlabelled else {"ParticipantLabel": label}
        self.callback("participant-join", {"CallSid": call_sid, **more, **(flags or {})})

    def drop(self, call_sid: str) -> None:
        """Remove a leg from the conference, and end it."""
        self.unlist(call_sid)
        self.end_leg(call_sid)
        self.callback("participant-leave", {"CallSid": call_sid})

    def unlist(self, call_sid: str) -> None:
        """Remove a leg from the conference."""
        self.do(ParticipantLeft(self._conference_sid, call_sid))

    def end_conference(self) -> None:
        """End the conference, if there was one."""
        if not self._conference_begun:
            return
        self.do(ConferenceEnded(self._conference_sid))
        self.callback("conference-end", {"ReasonConferenceEnded": "last-participant-left"})

    def knows_conference(self, **participants: str) -> None:
        """Update the task with its conference and the SIDs of its participants."""
        if Unlike.CONFERENCE_ATTRIBUTE in self.unlike:
            return
        self.attributes["conference"] = {
            "sid": self._conference_sid,
            "participants": participants,
        }
        self.task("updated", "assigned")

    def names_customer(self, call_sid: str) -> None:
        """Update the task with this leg as the customer's."""
        conference = self.attributes.get("conference", {"sid": self._conference_sid})
        people = conference.get("participants", {}) | {"customer": call_sid}
        self.attributes["conference"] = conference | {"participants": people}
        self.task("updated", "assigned")

    def transfer(self, part: Part, mode: str, kind: str) -> Json:
        """Return the fields of a transfer that the agent of `part` begins now."""
        return {
            "task_transfer_sid": self.sids.new("TT"),
            "transfer_type": kind,
            "transfer_mode": mode,
            "transfer_initiating_worker_sid": part.worker_sid,
            "transfer_initiating_reservation_sid": part.reservation_sid,
            "transfer_to": self._queue_sid if kind == "QUEUE" else self.sids.new("WK"),
            "transfer_started": events.iso(self.now),
            "transfer_status": "INITIATED",
        }

    def label(self, part: Part) -> str | None:
        """Return the conference's label of an agent, or None. All labels of a call have the same
        form."""
        if not self.labels_agents:
            return None
        return str(
            {
                "worker_sid": part.worker_sid,
                "contact_uri": part.agent.contact_uri,
                "reservation_sid": part.reservation_sid,
            }[self._labels]
        )

    @property
    def conference_sid(self) -> str:
        """The call's conference."""
        return self._conference_sid

    def task(
        self, name: str, status: str, more: Json | None = None, *, prompt: bool = False
    ) -> None:
        """Send TaskRouter's event `task.NAME`."""
        self._task_version += 1
        self._taskrouter(f"task.{name}", self._task_fields(status) | (more or {}), prompt)

    def reservation(self, part: Part, name: str, task_status: str, *, prompt: bool = False) -> None:
        """Send TaskRouter's event `reservation.NAME` for an agent's part."""
        agent = part.agent
        payload = self._task_fields(task_status) | {
            "task_queue_name": part.queue,
            "reservation_sid": part.reservation_sid,
            "reservation_status": "pending" if name == "created" else name,
            "reservation_version": self._version(part.version),
            "worker_sid": part.worker_sid,
            "worker_name": agent.user,
            "worker_activity_name": "Available",
            "worker_attributes": events.attributes_text(
                {
                    "contact_uri": agent.contact_uri,
                    "email": agent.email,
                    "full_name": agent.name,
                    "roles": ["agent"],
                    "team_name": agent.team,
                    **part.rewritten,
                }
            ),
            **part.transfer,
        }
        part.version += 1
        self._taskrouter(f"reservation.{name}", payload, prompt)

    def chatter(self) -> None:
        """Send an event of TaskRouter that does not belong to the call."""
        payload = {"worker_sid": self.sids.new("WK"), "worker_activity_name": "Available"}
        self._taskrouter("worker.activity.update", payload, prompt=False)

    def call_event(self, name: str, parameters: Json) -> None:
        """Send a call status callback, if they are configured. It has no task."""
        if self.call_callbacks:
            self._send(events.call_event(self._account, self.sids, name, self.now, parameters))

    def callback(self, name: str, parameters: Json) -> None:
        """Send a conference callback, if they are configured."""
        if not self.callbacks:
            return
        self._sequence += 1
        parameters = {
            "ConferenceSid": self._conference_sid,
            "FriendlyName": self.task_sid,
            **self._order(),
            **(_PARTICIPANT if name.startswith("participant") else {}),
            **parameters,
        }
        self._send(events.conference_event(self._account, self.sids, name, self.now, parameters))

    def wrap_up(self, part: Part) -> None:
        """The part's reservation ends a moment later: first in wrap-up, then completed."""
        self.later(60, lambda: self.reservation(part, "wrapup", "wrapping"))
        self.later(WRAP_UP_MS, lambda: self.reservation(part, "completed", "wrapping"))

    def script(
        self,
        case: str,
        title: str,
        customer_leg: str | None,
        line: Line,
        expectation: Expectation,
    ) -> Script:
        """Return the call as it was played, with its steps in order of time."""
        steps = tuple(sorted(self.steps, key=lambda step: step.at))
        return Script(
            case, title, self.task_sid, customer_leg, tuple(self.legs), steps, line,
            self._begins_at, self.now, expectation,
        )  # fmt: skip

    def _taskrouter(self, name: str, payload: Json, prompt: bool) -> None:
        event = events.taskrouter_event(self._account, self.sids, name, self.now, payload)
        self._send(event, prompt)

    def _send(self, event: Json, prompt: bool = False) -> None:
        record = self.write(event) if self.write else None
        self.do(EventSent(as_written(event, self.unlike), prompt, record))

    def _order(self) -> Json:
        is_numbered = Unlike.CALLBACK_ORDER not in self.unlike
        return {"SequenceNumber": str(self._sequence)} if is_numbered else {}

    def _task_fields(self, status: str) -> Json:
        return {
            "task_sid": self.task_sid,
            "task_attributes": events.attributes_text(self.attributes),
            "task_age": self._task_version,
            "task_priority": 0,
            "task_assignment_status": status,
            "task_channel_unique_name": self.channel,
            "task_queue_sid": self._queue_sid,
            "task_queue_name": self.queue,
            "task_version": self._version(self._task_version),
        }

    def _version(self, number: int) -> int | str:
        return str(number) if self._text_versions else number
