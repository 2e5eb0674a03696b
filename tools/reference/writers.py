"""Which role writes a record, and which CTI events say what of a call."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pipeline.calls.events import delta
from pipeline.runtime.acls import ACCESS
from pipeline.runtime.settings import Role
from schemas.records import Call, CtiEvent
from schemas.topics import CLOCK, Topic
from tools.reference.model import RecordInfo

OF_SHARED_TOPICS: Mapping[str, tuple[Role, ...]] = {
    "BridgeCheckpoint": (Role.BRIDGE,),
    "CallAlias": (Role.TRACKER, Role.STREAM_MANAGER),
    "CommandAnswered": (Role.TWILIO_ADAPTER,),
    "CtiEvent": (Role.BRIDGE, Role.RESOLVER, Role.RECONCILER),
    "GatewayAlive": (Role.GATEWAY,),
    "GatewayStarted": (Role.GATEWAY,),
    "HandshakeRefused": (Role.GATEWAY,),
    "LegContested": (Role.RESOLVER,),
    "LegFetched": (Role.STREAM_MANAGER,),
    "MediaBatch": (Role.GATEWAY,),
    "MediaDropped": (Role.GATEWAY,),
    "MediaStreamChanged": (Role.STREAM_MANAGER,),
    "MediaStreamClosed": (Role.GATEWAY,),
    "MediaStreamObserved": (Role.GATEWAY,),
    "MediaStreamOpened": (Role.GATEWAY,),
    "RecordingCompleted": (Role.RECORDER, Role.RETRIEVER),
    "RecordingDecided": (Role.STREAM_MANAGER,),
    "RecordingStarted": (Role.RECORDER,),
}
"""The writers of records on topics that several roles write to."""


COMMANDS: Mapping[str, str] = {
    "DeadLetterRetried": "`flexcapture dead-letters retry`",
    "PolicyAccepted": "`flexcapture policy accept`",
    "DerivationProgress": "`flexcapture derive`",
    "RegisteredSchemas": "`flexcapture schemas register`, `up`, and a role that registers",
}
"""The commands that write records of their own."""


def writers(record: RecordInfo) -> tuple[str, ...]:
    """Return the roles, or the command, that write a record: those that may write to its topics,
    if nothing more is known."""
    if record.name in COMMANDS:
        return (COMMANDS[record.name],)
    return OF_SHARED_TOPICS.get(record.name) or allowed_writers(record)


def allowed_writers(record: RecordInfo) -> tuple[Role, ...]:
    """Return the roles that may write to a topic of the record."""
    return tuple(
        role for role in ACCESS if any(topic in written_by(role) for topic in record.topics)
    )


def written_by(role: Role) -> tuple[Topic, ...]:
    """Return the topics that a role may write to. Each process that writes measures the clock."""
    writes = ACCESS[role].writes
    return (*writes, CLOCK) if writes else ()


_PARTS = ("facts", "milestones")


def origins(events: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    """Return, for each field and each key of `facts` and `milestones` of a call, the types of the
    example events that give it a value. `reservations.milestones.accepted`: keys are part of the
    path."""
    found: dict[str, list[str]] = {}
    for name, fields in events.items():
        change = delta(CtiEvent(**fields))
        if isinstance(change, Call):
            for path in dict.fromkeys(_paths(asdict(change))):
                found.setdefault(path, []).append(short(name))
    return dict(sorted(found.items()))


def _paths(part: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for name, value in part.items():
        if name in _PARTS and isinstance(value, Mapping):
            yield from (f"{before}{name}.{key.partition('=')[0]}" for key in value)
        elif isinstance(value, list | tuple):
            for each in value:
                yield from _paths(each, f"{before}{name}.")


def short(event_type: str) -> str:
    """Return the name of an event's type without what all have."""
    return event_type.removeprefix("com.twilio.").removeprefix("taskrouter.")
