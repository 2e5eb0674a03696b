"""Twilio's Event Streams: sinks, subscriptions, types and schemas of one account. In memory,
without I/O. Requests that Twilio would refuse are refused: a sink must be validated before a
subscription can use it, and a sink with a subscription cannot be deleted.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from simulator.events import test_event
from simulator.script import Json, Sids
from simulator.world import ApiError, not_found

_SINK_TYPES = frozenset({"kinesis", "webhook", "segment"})
_STREAM_ARN = re.compile(r"arn:aws[a-z-]*:kinesis:[a-z0-9-]+:\d{12}:stream/[A-Za-z0-9_.-]{1,128}")
_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,512}")
_TASK = (
    "created updated canceled completed deleted system-deleted wrapup transfer-initiated "
    "transfer-completed transfer-failed transfer-canceled transfer-attempt-failed"
)
_RESERVATION = "created accepted rejected timeout canceled rescinded completed failed wrapup"
_CATALOGUE = {
    "taskrouter.task": ("TaskRouter.Task", _TASK, 3),
    "taskrouter.reservation": ("TaskRouter.Reservation", _RESERVATION, 2),
    "taskrouter.worker": ("TaskRouter.Worker", "created deleted activity.update", 1),
    "voice.status-callback.call": (
        "Voice.StatusCallbackCall", "initiated ringing answered completed", 1,
    ),
    "voice.status-callback.conference": (
        "Voice.StatusCallbackConference", "updated participant.updated", 2,
    ),
    "voice.status-callback.stream": ("Voice.StatusCallbackStream", "updated", 1),
    "voice.status-callback.recording": ("Voice.StatusCallbackRecording", "processed", 1),
}  # fmt: skip


def catalogue() -> dict[str, tuple[str, int]]:
    """Return the event types that an account offers, each with its schema and the newest version of
    that."""
    return {
        f"com.twilio.{prefix}.{name}": (schema, version)
        for prefix, (schema, names, version) in _CATALOGUE.items()
        for name in names.split()
    }


@dataclass(slots=True)
class SinkState:
    """A sink. `test_id`: of the last test event, if there was one."""

    sid: str
    description: str
    sink_type: str
    configuration: Json
    status: str = "initialized"
    test_id: str | None = None


@dataclass(slots=True)
class SubscriptionState:
    """A subscription. `types`: the schema version of each event type."""

    sid: str
    description: str
    sink_sid: str
    types: dict[str, int]


@dataclass(slots=True)
class EventStreams:
    """The sinks and subscriptions of an account, and the event types that it offers. Every method
    raises `ApiError` for what Twilio would refuse."""

    sids: Sids
    types: dict[str, tuple[str, int]] = field(default_factory=catalogue)
    sinks: dict[str, SinkState] = field(default_factory=dict)
    subscriptions: dict[str, SubscriptionState] = field(default_factory=dict)

    def create_sink(self, form: Mapping[str, Sequence[str]]) -> SinkState:
        """Create a sink, which is not active yet."""
        kind = _one(form, "SinkType")
        if kind not in _SINK_TYPES:
            raise _invalid("SinkType", kind)
        configuration = _checked_configuration(kind, _one(form, "SinkConfiguration"))
        sid = self.sids.new("DG")
        self.sinks[sid] = SinkState(sid, _one(form, "Description"), kind, configuration)
        return self.sinks[sid]

    def sink(self, sid: str) -> SinkState:
        """Return a sink."""
        if (sink := self.sinks.get(sid)) is None:
            raise not_found(f"/v1/Sinks/{sid}")
        return sink

    def test(self, sid: str, at: int) -> Json:
        """Begin a test of a sink at `at` (ms). Return the test event to deliver."""
        sink, event = self.sink(sid), test_event(self.sids, at)
        sink.test_id = event["data"]["test_id"]
        if sink.status != "active":
            sink.status = "validating"
        return event

    def validate(self, sid: str, form: Mapping[str, Sequence[str]]) -> None:
        """Make a sink active, if the test event arrived."""
        sink, test_id = self.sink(sid), _one(form, "TestId")
        if sink.test_id is None or test_id != sink.test_id:
            raise _invalid("TestId", test_id)
        sink.status = "active"

    def delete_sink(self, sid: str) -> None:
        """Delete a sink that no subscription uses."""
        sink = self.sink(sid)
        if any(each.sink_sid == sink.sid for each in self.subscriptions.values()):
            raise ApiError(409, 20409, f"Sink {sid} has subscriptions")
        del self.sinks[sid]

    def subscribe(self, form: Mapping[str, Sequence[str]]) -> SubscriptionState:
        """Create a subscription to an active sink."""
        description, sink = _one(form, "Description"), self.sink(_one(form, "SinkSid"))
        if sink.status != "active":
            raise ApiError(400, 20001, f"Sink {sink.sid} is {sink.status}, not active")
        types: dict[str, int] = {}
        for text in form.get("Types", ()):
            stated = _object("Types", text)
            name, version = str(stated.get("type", "")), stated.get("schema_version")
            if name in types:
                raise _invalid("Types", f"{name} twice")
            types[name] = self._version(name, version)
        if not types:
            raise ApiError(400, 20001, "Missing required parameter Types")
        sid = self.sids.new("DF")
        self.subscriptions[sid] = SubscriptionState(sid, description, sink.sid, types)
        return self.subscriptions[sid]

    def subscription(self, sid: str) -> SubscriptionState:
        """Return a subscription."""
        if (subscription := self.subscriptions.get(sid)) is None:
            raise not_found(f"/v1/Subscriptions/{sid}")
        return subscription

    def add_type(self, sid: str, form: Mapping[str, Sequence[str]]) -> str:
        """Add an event type to a subscription. Return its name."""
        subscription, name = self.subscription(sid), _one(form, "Type")
        if name in subscription.types:
            raise ApiError(409, 20409, f"{name} is subscribed already")
        stated = form.get("SchemaVersion", ["1"])[0]
        subscription.types[name] = self._version(name, int(stated) if stated.isdecimal() else None)
        return name

    def remove_type(self, sid: str, name: str) -> None:
        """Remove an event type from a subscription, which must keep another one."""
        types = self.subscription(sid).types
        if name not in types:
            raise not_found(f"/v1/Subscriptions/{sid}/SubscribedEvents/{name}")
        if len(types) == 1:
            raise ApiError(400, 20001, "A subscription needs at least one event type")
        del types[name]

    def delete_subscription(self, sid: str) -> None:
        """Delete a subscription."""
        del self.subscriptions[self.subscription(sid).sid]

    def _version(self, name: str, version: object) -> int:
        if name not in self.types:
            raise _invalid("Type", name)
        newest = self.types[name][1]
        if not isinstance(version, int) or not 1 <= version <= newest:
            raise _invalid("SchemaVersion", f"{version} of {name}")
        return version


def _checked_configuration(kind: str, text: str) -> Json:
    configuration = _object("SinkConfiguration", text)
    if kind == "kinesis":
        shapes = {"arn": _STREAM_ARN, "role_arn": _ROLE_ARN, "external_id": re.compile(r".+")}
        for name, shape in shapes.items():
            if not shape.fullmatch(str(configuration.get(name, ""))):
                raise _invalid("SinkConfiguration", f"{name}: {configuration.get(name)!r}")
    return configuration


def _one(form: Mapping[str, Sequence[str]], name: str) -> str:
    values = form.get(name, ())
    if len(values) != 1 or not values[0]:
        raise ApiError(400, 20001, f"Missing required parameter {name}")
    return values[0]


def _object(name: str, text: str) -> Json:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _invalid(name, text)
    return found


def _invalid(name: str, value: str) -> ApiError:
    return ApiError(400, 20001, f"Invalid {name}: {value}")
