"""Writes CloudEvents down as Twilio does: the model's own double of Event Streams."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from tests.system.model.cast import Account, Part, worker_sid
from tests.system.model.showing import EXACT, START, iso, stamps_of

OURS = "+15559990000"
TASK = "WT" + "a" * 32
BYTE_ORDER_MARK = "\ufeff"


@dataclass(repr=False)
class EventWriter:
    """The events of one task. `now` (ms) is the cursor in time; `known` the CloudEvents so far,
    each with the time of its arrival; `junk` is asked what to spoil in the next TaskRouter payload,
    `odd` which members to put before the attributes' own (or a byte order mark)."""

    account: Account = field(default_factory=Account)
    queue: str = "Support"
    now: int = START
    junk: Callable[[], dict[str, Any]] = dict
    odd: Callable[[], str] = str
    known: list[tuple[dict[str, Any], int]] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    legs_on: set[str] = field(default_factory=set)
    versions: int = 0
    sequence: int = 0
    conference_sid: str = "CF" + "f" * 32

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
            "worker_attributes": self._json(part.worker),
            **part.transfer,
        }
        part.version += 1
        self._router(f"reservation.{step}", payload)

    def participant(self, step: str, leg: str, **parameters: Any) -> None:
        """A participant's callback."""
        if self.account.conference:
            fields = {"StatusCallbackEvent": f"participant-{step}", "CallSid": leg, **parameters}
            self._conference("conference.participant.updated", fields)

    def conference_ends(self) -> None:
        """The conference's last callback."""
        if self.account.conference and self.sequence:
            self._conference("conference.updated", {"StatusCallbackEvent": "conference-end"})

    def conference_breaks_off(self) -> None:
        """All leave the conference, and it ends; the call continues in another one."""
        for leg in sorted(self.legs_on):
            self.participant("leave", leg)
        self.legs_on.clear()
        self.conference_ends()
        self.conference_sid = "CF" + f"{len(self.known):032x}"
        self.sequence = 0

    def answers(self, leg: str, to: str, caller: str, direction: str = "outbound-api") -> None:
        """A call's callback of a leg that was answered, with its ends."""
        ends = {"From": caller, "Direction": direction} if self.account.ends else {}
        self.call("answered", leg, To=to, CallStatus="in-progress", **ends)

    def call(self, step: str, leg: str, **parameters: Any) -> None:
        """A call's callback: it names no task."""
        if self.account.calls:
            self._callback(f"call.{step}", {"CallSid": leg, **parameters})

    def _router(self, name: str, payload: dict[str, Any]) -> None:
        full = {
            "eventtype": name,
            "timestamp": stamps_of(self.now).get(self.account.stamp),
            "task_sid": TASK,
            "task_attributes": self._json(self.attributes),
            "task_channel_unique_name": "voice",
            "task_queue_name": self.queue,
            "task_version": self._version(self.versions),
            **payload,
            **self.junk(),
        }
        data = {"payload": full, "name": name}
        self._event(f"com.twilio.taskrouter.{name}", data, envelope=self.account.stamp not in EXACT)

    def _conference(self, kind: str, fields: dict[str, Any]) -> None:
        self.sequence += 1
        numbered = {"SequenceNumber": str(self.sequence)} if self.account.sequence else {}
        named = {"FriendlyName": TASK, "ConferenceSid": self.conference_sid}
        self._callback(kind, named | numbered | fields)

    def _callback(self, kind: str, fields: dict[str, Any]) -> None:
        second = format_datetime(datetime.fromtimestamp(self.now // 1000, UTC))
        data = {"request": {"method": "POST", "parameters": {"Timestamp": second, **fields}}}
        self._event(f"com.twilio.voice.status-callback.{kind}", data)

    def _event(self, kind: str, data: dict[str, Any], *, envelope: bool = False) -> None:
        extra = {"time": iso(self.now)} if self.account.envelope or envelope else {}
        event = {
            "specversion": "1.0",
            "type": kind,
            "source": "/v1",
            "id": f"EV{len(self.known) * 7_919 % 100_000:05d}",  # in no order
            "data": data,
            **extra,
        }
        self.known.append((event, self.now + 40))

    def _json(self, attributes: dict[str, Any]) -> str:
        members, text = self.odd(), json.dumps(attributes)
        if members and members != BYTE_ORDER_MARK:
            return "{" + members + ("," if attributes else "") + text[1:]
        return members + text

    def _version(self, number: int) -> int | str | None:
        if self.account.versions is None:
            return None
        return str(number) if self.account.versions == "text" else number
