"""Writes a call's CloudEvents down as a contact center of Flex sends them: who does what, and what
Twilio tells of it. Its own double, so that the model and the histories share nothing with the
product."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from tests.system.model.cast import Account, Part, worker_sid
from tests.system.model.showing import START, iso, line

CUSTOMER = "+15550001111"
OURS = "+15559990000"
TASK = "WT" + "a" * 32
WRAP_UP_MS = 60


@dataclass(repr=False)
class Scene:
    """A call. `now` (ms) is the cursor in time; `known` the CloudEvents so far, each with the time
    of its arrival; `supervisors` the legs of those who listen in; `silent`: the attributes tell
    neither direction nor caller at first (they are `untold`); `junk` is asked what to spoil in the
    next TaskRouter payload."""

    account: Account = field(default_factory=Account)
    direction: str = "inbound"
    silent: bool = False
    queue: str = "Support"
    now: int = START
    junk: Callable[[], dict[str, Any]] = dict
    known: list[tuple[dict[str, Any], int]] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    untold: dict[str, Any] = field(default_factory=dict)
    supervisors: list[str] = field(default_factory=list)
    legs_on: set[str] = field(default_factory=set)
    conference: dict[str, Any] = field(default_factory=dict)
    versions: int = 0
    sequence: int = 0

    customer_leg: str = "CA" + "c" * 32
    conference_sid: str = "CF" + "f" * 32

    def __repr__(self) -> str:
        return "\n".join([repr(self.account), *(line(e, at) for e, at in self.known)])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # how Hypothesis shows it

    # What people do.

    def begin(self) -> None:
        """The task comes to be."""
        plain = {"inbound": {"call_sid": self.customer_leg, "from": CUSTOMER, "to": OURS}}
        told: dict[str, Any] = {"from": OURS, "outbound_to": CUSTOMER}
        if self.direction == "internal":
            told = {"from": "client:ann", "to": "client:bob", "client_call": True}
        direction = "inbound" if self.direction == "inbound" else "outbound"
        self.attributes = {"direction": direction, **plain.get(self.direction, told)}
        if self.silent:
            self.untold, self.attributes = self.attributes, {}
        if self.direction == "inbound":
            self.call("answered", self.customer_leg, To=OURS, CallStatus="in-progress")
        if self.account.created:
            self.task("created")

    def tell_direction(self) -> None:
        """The attributes tell at last what they did not tell at first."""
        self.attributes |= self.untold
        self.untold = {}
        self.task("updated")

    def offer(
        self, name: str, queue: str | None = None, transfer: dict[str, Any] | None = None
    ) -> Part:
        """TaskRouter reserves a worker."""
        number = len(self.parts)
        part = Part(
            name, f"WR{number:032x}", f"CA{number:032x}", queue or self.queue, transfer or {}
        )
        self.parts.append(part)
        self.reservation(part, "created")
        return part

    def accept(self, part: Part) -> None:
        """The worker answers. An inbound customer comes into the conference now."""
        part.accepted = True
        self.reservation(part, "accepted")
        self.call(
            "answered", part.call_sid, To=part.worker["contact_uri"], CallStatus="in-progress"
        )
        self.join(part.call_sid, self.label(part))
        if part.transfer:
            done = {"transfer_status": "COMPLETED"}
            self.task("transfer-completed", **part.transfer | done)
        if self.direction == "inbound" and self.customer_leg not in self.legs_on:
            self.customer_in(part)

    def customer_in(self, part: Part) -> None:
        """The customer is in the conference, with the worker."""
        self.join(self.customer_leg, "customer" if self.account.customer_label else None)
        people = {"customer": self.customer_leg, "worker": part.call_sid}
        self.conference = {"conference": {"sid": self.conference_sid, "participants": people}}
        if self.account.block == "at once":
            self.tell_conference()

    def tell_conference(self) -> None:
        """The attributes tell of the conference."""
        self.attributes |= self.conference
        self.task("updated")

    def dialled(self, part: Part) -> None:
        """The called customer answers."""
        self.call("answered", self.customer_leg, To=CUSTOMER, CallStatus="in-progress")
        self.customer_in(part)

    def not_dialled(self, status: str) -> None:
        """The called customer does not answer."""
        self.call("completed", self.customer_leg, To=CUSTOMER, CallStatus=status)

    def end_part(self, part: Part, step: str) -> None:
        """The reservation comes to nothing: rejected, timeout, rescinded, canceled, failed."""
        part.left = True
        self.reservation(part, step)

    def leave(self, part: Part, completed_ms: int = 1_200) -> None:
        """A worker leaves; who else is on stays. His wrap-up takes `completed_ms`."""
        part.left = True
        self.drop(part.call_sid)
        self.later(WRAP_UP_MS, lambda: self.reservation(part, "wrapup"))
        self.later(completed_ms, lambda: self.reservation(part, "completed"))

    def hold(self, on: bool) -> None:
        """The customer on hold, or off."""
        self.participant("hold" if on else "unhold", self.customer_leg, Hold=str(on).lower())

    def transfer(self, part: Part, mode: str, kind: str) -> dict[str, Any]:
        """A worker begins a transfer."""
        begun = {
            "task_transfer_sid": f"TT{self.versions:032x}",
            "transfer_mode": mode,
            "transfer_type": kind,
            "transfer_initiating_reservation_sid": part.reservation_sid,
            "transfer_started": iso(self.now),
            "transfer_status": "INITIATED",
        }
        self.task("transfer-initiated", **begun)
        return begun

    def hang_up(self, completed_ms: int = 1_250) -> None:
        """Everybody hangs up."""
        for leg in sorted(self.legs_on):
            self.drop(leg)
        self.conference_ends()
        for part in self.parts:
            if part.accepted and not part.left:
                part.left = True
                self.later(WRAP_UP_MS, lambda p=part: self.reservation(p, "wrapup"))  # type: ignore[misc]
                self.later(completed_ms, lambda p=part: self.reservation(p, "completed"))  # type: ignore[misc]
            elif not part.left:
                self.end_part(part, "canceled")
        self.later(WRAP_UP_MS + 20, lambda: self.task("wrapup"))
        self.later(completed_ms + 50, lambda: self.task("completed"))

    def give_up(self) -> None:
        """The customer hangs up while nobody is with him."""
        for leg in sorted(self.legs_on):
            self.drop(leg)
        self.call("completed", self.customer_leg, To=OURS, CallStatus="completed")
        for part in self.parts:
            if not part.left:
                self.end_part(part, "canceled")
        self.task("canceled", task_canceled_reason="hangup")

    def join(self, leg: str, label: str | None, **more: Any) -> None:
        """A leg comes into the conference."""
        self.legs_on.add(leg)
        self.participant("join", leg, **({"ParticipantLabel": label} if label else {}), **more)

    def drop(self, leg: str) -> None:
        """A leg leaves, and ends."""
        self.legs_on.discard(leg)
        self.participant("leave", leg)
        self.call("completed", leg, CallStatus="completed")

    def later(self, ms: int, deed: Callable[[], None]) -> None:
        """What is told some time from now; the cursor stays."""
        now, self.now = self.now, self.now + ms
        deed()
        self.now = now

    def label(self, part: Part) -> str | None:
        """What marks a worker's participant in this account."""
        words = {
            "worker_sid": worker_sid(part.name),
            "reservation_sid": part.reservation_sid,
            "contact_uri": part.worker["contact_uri"],
            "email": part.worker["email"],
        }
        return words.get(self.account.label or "")

    # What is told of it.

    def task(self, step: str, **payload: Any) -> None:
        """A task event."""
        self.versions += 1
        self._router(f"task.{step}", payload)

    def reservation(self, part: Part, step: str) -> None:
        """A reservation event."""
        payload = {
            "task_queue_name": part.queue,
            "reservation_sid": part.reservation_sid,
            "reservation_version": self._version(part.version),
            "worker_sid": worker_sid(part.name),
            "worker_name": part.name,
            "worker_attributes": json.dumps(part.worker),
            **part.transfer,
        }
        part.version += 1
        self._router(f"reservation.{step}", payload)

    def participant(self, step: str, leg: str, **parameters: Any) -> None:
        """A participant's callback."""
        if self.account.conference:
            said = {"StatusCallbackEvent": f"participant-{step}", "CallSid": leg, **parameters}
            self._conference("conference.participant.updated", said)

    def conference_ends(self) -> None:
        """The conference's last callback."""
        if self.account.conference and self.sequence:
            self._conference("conference.updated", {"StatusCallbackEvent": "conference-end"})

    def conference_breaks_off(self) -> None:
        """Everybody is out of the conference, and it ends; the call goes on in another one."""
        for leg in sorted(self.legs_on):
            self.participant("leave", leg)
        self.legs_on.clear()
        self.conference_ends()
        self.conference_sid = "CF" + f"{len(self.known):032x}"
        self.sequence = 0

    def call(self, step: str, leg: str, **parameters: Any) -> None:
        """A call's callback: it names no task."""
        if self.account.calls:
            self._callback(f"call.{step}", {"CallSid": leg, **parameters})

    def _router(self, name: str, payload: dict[str, Any]) -> None:
        stamps = {"iso": iso(self.now), "seconds": self.now // 1000}
        full = {
            "eventtype": name,
            "timestamp": stamps.get(self.account.stamp),
            "task_sid": TASK,
            "task_attributes": json.dumps(self.attributes),
            "task_channel_unique_name": "voice",
            "task_queue_name": self.queue,
            "task_version": self._version(self.versions),
            **payload,
            **self.junk(),
        }
        data = {"payload": full, "name": name}
        self._event(f"com.twilio.taskrouter.{name}", data, envelope=self.account.stamp != "iso")

    def _conference(self, kind: str, said: dict[str, Any]) -> None:
        self.sequence += 1
        numbered = {"SequenceNumber": str(self.sequence)} if self.account.sequence else {}
        named = {"FriendlyName": TASK, "ConferenceSid": self.conference_sid}
        self._callback(kind, named | numbered | said)

    def _callback(self, kind: str, said: dict[str, Any]) -> None:
        second = format_datetime(datetime.fromtimestamp(self.now // 1000, UTC))
        data = {"request": {"method": "POST", "parameters": {"Timestamp": second, **said}}}
        self._event(f"com.twilio.voice.status-callback.{kind}", data)

    def _event(self, kind: str, data: dict[str, Any], *, envelope: bool = False) -> None:
        told = {"time": iso(self.now)} if self.account.envelope or envelope else {}
        event = {
            "specversion": "1.0",
            "type": kind,
            "source": "/v1",
            "id": f"EV{len(self.known) * 7_919 % 100_000:05d}",  # in no order
            "data": data,
            **told,
        }
        self.known.append((event, self.now + 40))

    def _version(self, number: int) -> int | str | None:
        if self.account.versions is None:
            return None
        return str(number) if self.account.versions == "text" else number
