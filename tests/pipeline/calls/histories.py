"""Call histories for tests: events as Twilio sends them, by hand (`Story`) or by Hypothesis
(`histories`)."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from hypothesis import strategies as st

from pipeline.calls.cloud_events import Readable, elements
from schemas.records import CtiEvent

T0 = 1_790_000_000_000
TASK = "WT" + "a" * 32
CUSTOMER_LEG = "CA" + "c" * 32
CONFERENCE = "CF" + "f" * 32
CUSTOMER = "+15550001111"


def iso(ms: int) -> str:
    """As TaskRouter writes times."""
    return (
        datetime.fromtimestamp(ms / 1000, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


def rfc2822(ms: int) -> str:
    """As callbacks write times: to the second."""
    return format_datetime(datetime.fromtimestamp(ms // 1000, UTC))


def worker_attributes(name: str, **more: Any) -> dict[str, Any]:
    """A Flex worker's."""
    return {
        "contact_uri": f"client:{name}_40example_2Ecom",
        "email": f"{name.title()}@Example.com",
        "full_name": name.title(),
        "roles": ["agent"],
        "team_name": "blue",
        **more,
    }


def reservation_sid(name: str) -> str:
    """A reservation's SID by a short name."""
    return "WR" + name.encode().hex().ljust(32, "0")


def worker_sid(name: str) -> str:
    """A worker's SID by a short name."""
    return "WK" + name.encode().hex().ljust(32, "0")


def stream_sid(name: str) -> str:
    """A media stream's SID by a short name."""
    return "MZ" + name.encode().hex().ljust(32, "0")


def leg_sid(name: str) -> str:
    """A call leg's SID by a short name."""
    return "CA" + name.encode().hex().ljust(32, "0")


def event(body: dict[str, Any], arrived_at: int) -> CtiEvent:
    """The record that the bridge makes of a CloudEvent."""
    [element] = elements(json.dumps(body).encode())
    assert isinstance(element, Readable), element
    return CtiEvent(
        event_id=element.event_id,
        source=element.source,
        type=element.type,
        time=element.time,
        arrived_at=arrived_at,
        task_sid=element.task_sid,
        call_sid=element.call_sid,
        body=element.body,
        kinesis_stream="flex-events",
        shard_id="shardId-0",
        sequence_number="1",
    )


@dataclass
class Story:
    """Writes a call's events down, one after another; `at` is milliseconds after `t0`."""

    task_sid: str = TASK
    attributes: dict[str, Any] = field(default_factory=dict)
    events: list[CtiEvent] = field(default_factory=list)
    versions: int = 0
    t0: int = T0

    def _add(self, kind: str, data: dict[str, Any], at: int, time: str | None = None) -> None:
        body = {
            "specversion": "1.0",
            "type": kind,
            "source": "/v1/AC/x",
            "id": f"EV{len(self.events):04d}",
            "time": time or iso(self.t0 + at),
            "data": data,
        }
        self.events.append(event(body, self.t0 + at + 50))

    def router(self, name: str, at: int, **payload: Any) -> "Story":
        """A TaskRouter event."""
        self.versions += 1
        full = {
            "eventtype": name,
            "timestamp": iso(self.t0 + at),
            "task_sid": self.task_sid,
            "task_attributes": json.dumps(self.attributes),
            "task_channel_unique_name": "voice",
            "task_queue_name": "sales",
            "task_version": str(self.versions),
            **payload,
        }
        self._add(f"com.twilio.taskrouter.{name}", {"payload": full}, at)
        return self

    def task(self, step: str, at: int, **payload: Any) -> "Story":
        """A task event."""
        return self.router(f"task.{step}", at, **payload)

    def reservation(self, step: str, at: int, who: str, name: str = "", **payload: Any) -> "Story":
        """A reservation event of worker `who`."""
        return self.router(
            f"reservation.{step}",
            at,
            **{
                "reservation_sid": reservation_sid(name or who),
                "worker_sid": worker_sid(who),
                "worker_name": who,
                "worker_attributes": json.dumps(worker_attributes(who)),
                **payload,
            },
        )

    def participant(self, step: str, at: int, leg: str, **parameters: Any) -> "Story":
        """A conference participant's callback: times to the second."""
        fields = {"StatusCallbackEvent": f"participant-{step}", "CallSid": leg, **parameters}
        return self._callback("status-callback.conference.participant.updated", at, fields)

    def conference_end(self, at: int) -> "Story":
        """The conference ended."""
        fields = {"StatusCallbackEvent": "conference-end"}
        return self._callback("status-callback.conference.updated", at, fields)

    def call_status(self, step: str, at: int, leg: str, **parameters: Any) -> "Story":
        """A call's status callback that names its task."""
        return self._callback(f"status-callback.call.{step}", at, {"CallSid": leg, **parameters})

    def stream_status(self, step: str, at: int, stream: str, leg: str, **more: Any) -> "Story":
        """A media stream's status callback: it names its leg and no task."""
        fields = {"StreamSid": stream, "StreamName": "n", "StreamEvent": f"stream-{step}", **more}
        name = "status-callback.stream.updated"
        return self._callback(name, at, {"FriendlyName": None, "CallSid": leg, **fields})

    def _callback(self, name: str, at: int, fields: dict[str, Any]) -> "Story":
        parameters = {
            "FriendlyName": self.task_sid,
            "ConferenceSid": CONFERENCE,
            "Timestamp": rfc2822(self.t0 + at),
            "SequenceNumber": str(len(self.events)),
            **fields,
        }
        data = {"request": {"method": "POST", "parameters": parameters}}
        self._add(f"com.twilio.voice.{name}", data, at, time="odd")
        return self


def inbound() -> Story:
    """An inbound call that has come in."""
    attributes = {
        "call_sid": CUSTOMER_LEG,
        "from": CUSTOMER,
        "to": "+15559990000",
        "direction": "inbound",
    }
    return Story(attributes=attributes).task("created", 0)


def outbound() -> Story:
    """An outbound call that was asked for."""
    attributes = {"direction": "outbound", "outbound_to": CUSTOMER, "from": "+15559990000"}
    return Story(attributes=attributes).task("created", 0)


_NAMES = st.sampled_from(["ann", "bob", "cy"])
_TIMES = st.integers(0, 600).map(lambda n: n * 250)
_JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [
        {},
        {"task_attributes": "{"},
        {"task_attributes": None},
        {"task_version": None},
        {"worker_attributes": ""},
        {"task_queue_name": None},
        {"timestamp": T0 // 1000 + 7},
        {"timestamp": None},
        {"reservation_version": 3},
        {"task_channel_unique_name": None},
    ]
)


_KINDS = ["task", "reservation", "reservation", "leg", "end", "call", "stream"]


@st.composite
def histories(draw: st.DrawFn) -> list[CtiEvent]:
    """Any events of one call, sensible or not, with junk in some."""
    story = draw(st.sampled_from([inbound, outbound, Story]))()
    for _ in range(draw(st.integers(1, 14))):
        at = draw(_TIMES)
        match draw(st.sampled_from(_KINDS)):
            case "task":
                _draw_task(draw, story, at)
            case "reservation":
                _draw_reservation(draw, story, at)
            case "leg":
                _draw_participant(draw, story, at)
            case "call":
                _draw_call(draw, story, at)
            case "stream":
                step = draw(st.sampled_from(["started", "stopped", "error"]))
                story.stream_status(
                    step, at, draw(st.sampled_from([stream_sid("1"), stream_sid("2")])), draw(_LEGS)
                )
                story.events[-1] = replace(story.events[-1], task_sid=TASK)  # resolved
            case _:
                story.conference_end(at)
    return story.events


_LEGS = st.sampled_from([CUSTOMER_LEG, leg_sid("ann"), leg_sid("x"), leg_sid("y")])
_ENDS = st.sampled_from(
    [CUSTOMER, "client:ann_40example_2Ecom", "client:boss", "sip:x@y.example:5060", "Anonymous", ""]
)


def _draw_call(draw: st.DrawFn, story: Story, at: int) -> None:
    step = draw(st.sampled_from(["ringing", "answered", "completed"]))
    ends = {"From": draw(_ENDS), "To": draw(_ENDS)} if draw(st.booleans()) else {}
    way = draw(st.sampled_from(["inbound", "outbound-api", None]))
    story.call_status(step, at, draw(_LEGS), CallStatus="busy", Direction=way, **ends)


def _draw_task(draw: st.DrawFn, story: Story, at: int) -> None:
    step = draw(
        st.sampled_from(
            ["created", "updated", "canceled", "completed", "wrapup", "transfer-initiated",
             "transfer-completed", "transfer-failed"]
        )
    )  # fmt: skip
    transfer = {"task_transfer_sid": draw(st.sampled_from(["TT1", "TT2", None]))}
    if draw(st.booleans()):
        participants = {"customer": CUSTOMER_LEG, "worker": leg_sid("ann")}
        story.attributes["conference"] = {"sid": CONFERENCE, "participants": participants}
    story.task(step, at, **transfer, **draw(_JUNK))


def _draw_reservation(draw: st.DrawFn, story: Story, at: int) -> None:
    steps = ["created", "accepted", "rejected", "timeout", "canceled", "completed", "wrapup"]
    name = draw(_NAMES)
    story.reservation(draw(st.sampled_from(steps)), at, name, **draw(_JUNK))


def _draw_participant(draw: st.DrawFn, story: Story, at: int) -> None:
    step = draw(st.sampled_from(["join", "leave", "hold", "unhold", "mute"]))
    more = draw(
        st.sampled_from(
            [{}, {"ParticipantLabel": "customer"}, {"ParticipantLabel": worker_sid("ann")},
             {"Coaching": "true"}, {"SequenceNumber": None}, {"Muted": "true"},
             {"ParticipantLabel": "external"}, {"ParticipantLabel": "supervisor"}]
        )
    )  # fmt: skip
    story.participant(step, at, draw(_LEGS), **more)
