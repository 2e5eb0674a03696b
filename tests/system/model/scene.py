"""Write a call's CloudEvents as a contact center of Flex sends them: the actions of people, and
Twilio's events about them. This double of Flex is separate, so that the model and the histories
share nothing with the product."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.system.model.cast import Part, worker_sid
from tests.system.model.event_writer import OURS, TASK, EventWriter
from tests.system.model.showing import iso, line

__all__ = ["TASK", "Scene"]

CUSTOMER = "+15550001111"
WRAP_UP_MS = 60


@dataclass(repr=False)
class Scene(EventWriter):
    """A call. `supervisors`: legs that listen in; `silent`: the attributes state neither
    direction nor caller at first (they are `unstated`); `customer`, `customer_end`: the customer's
    address as the task states it, and as the leg's end shows it; `stated`: the direction that the
    attributes state; `task_type`: callback or voicemail, as long as there is no call."""

    direction: str = "inbound"
    silent: bool = False
    parts: list[Part] = field(default_factory=list)
    unstated: dict[str, Any] = field(default_factory=dict)
    supervisors: list[str] = field(default_factory=list)
    conference: dict[str, Any] = field(default_factory=dict)
    customer: str = CUSTOMER
    customer_end: str = CUSTOMER
    stated: str | None = None
    task_type: str | None = None
    customer_leg: str = "CA" + "c" * 32

    def __repr__(self) -> str:
        return "\n".join([repr(self.account), *(line(e, at) for e, at in self.known)])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # how Hypothesis shows it

    # What people do.

    def begin(self) -> None:
        """Begin the task."""
        plain = {"inbound": {"call_sid": self.customer_leg, "from": self.customer, "to": OURS}}
        dialled: dict[str, Any] = {"from": OURS, "outbound_to": self.customer}
        if self.direction == "internal":
            dialled = {"from": "client:ann", "to": "client:bob", "client_call": True}
        direction = "inbound" if self.direction == "inbound" else "outbound"
        direction = self.stated or direction
        self.attributes = {"direction": direction, **plain.get(self.direction, dialled)}
        if self.task_type:
            self.attributes |= {"taskType": self.task_type, "flow_execution_sid": "FN" + "0" * 32}
            self.attributes.pop("call_sid", None)
        if self.silent:
            self.unstated, self.attributes = self.attributes, {}
        if self.direction == "inbound" and not self.task_type:
            self.answers(self.customer_leg, OURS, self.customer_end, "inbound")
        if self.account.created:
            self.task("created")

    def state_direction(self) -> None:
        """The attributes state at last the facts that were missing at first."""
        self.attributes |= self.unstated
        self.unstated = {}
        self.task("updated")

    def offer(
        self, name: str, queue: str | None = None, transfer: dict[str, Any] | None = None
    ) -> Part:
        """TaskRouter reserves a worker."""
        number = len(self.parts)
        part = Part(
            name, f"WR{number:032x}", f"CA{number:032x}", queue or self.queue, transfer or {},
            phone=self.account.phones,
        )  # fmt: skip
        self.parts.append(part)
        self.reservation(part, "created")
        return part

    def accept(self, part: Part) -> None:
        """The worker answers. An inbound customer comes into the conference now."""
        part.accepted = True
        self.reservation(part, "accepted")
        if self.task_type:
            return
        self.agent_in(part)
        if part.transfer:
            done = {"transfer_status": "COMPLETED"}
            self.task("transfer-completed", **part.transfer | done)
        waits = self.direction == "inbound" or bool(self.conference)
        if waits and self.customer_leg not in self.legs_on:
            self.customer_in(part)

    def agent_in(self, part: Part) -> None:
        """The worker's leg is answered, and in the conference."""
        caller = self.customer_end if self.direction == "inbound" else OURS
        self.answers(part.call_sid, part.worker["contact_uri"], caller)
        self.join(part.call_sid, self.label(part))

    def call_back(self, part: Part) -> None:
        """The worker calls the customer within the task: from now on there is a call."""
        self.task_type = None
        self.agent_in(part)

    def customer_in(self, part: Part) -> None:
        """The customer is in the conference, with the worker."""
        self.join(self.customer_leg, "customer" if self.account.customer_label else None)
        people = {"customer": self.customer_leg, "worker": part.call_sid}
        self.conference = {"conference": {"sid": self.conference_sid, "participants": people}}
        if self.account.block == "at once":
            self.name_conference()

    def name_conference(self) -> None:
        """The attributes name the conference."""
        self.attributes |= self.conference
        self.task("updated")

    def dialled(self, part: Part) -> None:
        """The called customer answers."""
        self.answers(self.customer_leg, self.customer_end, OURS)
        self.customer_in(part)

    def not_dialled(self, status: str) -> None:
        """The called customer does not answer."""
        self.call("completed", self.customer_leg, To=self.customer_end, CallStatus=status)

    def end_part(self, part: Part, step: str) -> None:
        """The reservation comes to nothing: rejected, timeout, rescinded, canceled, failed."""
        part.left = True
        self.reservation(part, step)

    def leave(self, part: Part, completed_ms: int = 1_200) -> None:
        """A worker leaves; others stay. The wrap-up takes `completed_ms`."""
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
        """All hang up."""
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
        """The customer hangs up while no worker is on the call."""
        for leg in sorted(self.legs_on):
            self.drop(leg)
        if not self.task_type:
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

    def later(self, ms: int, action: Callable[[], None]) -> None:
        """Events some time from now; the cursor stays."""
        now, self.now = self.now, self.now + ms
        action()
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
