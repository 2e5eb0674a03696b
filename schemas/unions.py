"""The ids of the union schemas: one for each topic with several record types. Pure.

flexcapture writes records with the schema of their type, never with a union. A union is for clients
with the TopicNameStrategy, which have one subject for a topic, `<topic>-value`. A record that such
a client writes has the union's id, and its body begins with the index of its type.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UnionVersion:
    """One version of a topic's union. `members`: the version of the schema of each record type, in
    the order of the union."""

    schema_id: int
    members: Mapping[str, int]


UNION_VERSIONS: Mapping[str, tuple[UnionVersion, ...]] = {
    "cti.resolved": (
        UnionVersion(0x4643F001, {"CtiEvent": 1, "LegContested": 2, "LegFetched": 1}),
    ),
    "stream.commands": (
        UnionVersion(
            0x4643F002,
            {
                "StartDuplicateStream": 2,
                "StopDuplicateStream": 1,
                "FindConference": 1,
                "VerifyLeg": 3,
                "FetchLeg": 1,
            },
        ),
        UnionVersion(
            0x4643F020,
            {
                "StartDuplicateStream": 3,
                "StopDuplicateStream": 2,
                "FindConference": 2,
                "VerifyLeg": 4,
                "FetchLeg": 2,
            },
        ),
    ),
    "stream.events": (
        UnionVersion(
            0x4643F003,
            {
                "CommandAnswered": 4,
                "RecordingDecided": 1,
                "MediaStreamChanged": 1,
                "MediaStreamOpened": 2,
                "MediaStreamClosed": 2,
                "HandshakeRefused": 2,
                "MediaStreamObserved": 1,
                "GatewayStarted": 1,
                "GatewayAlive": 1,
            },
        ),
        UnionVersion(
            0x4643F021,
            {
                "CommandAnswered": 4,
                "RecordingDecided": 2,
                "MediaStreamChanged": 2,
                "MediaStreamOpened": 2,
                "MediaStreamClosed": 2,
                "HandshakeRefused": 2,
                "MediaStreamObserved": 1,
                "GatewayStarted": 1,
                "GatewayAlive": 1,
            },
        ),
    ),
    "media": (
        UnionVersion(
            0x4643F004,
            {
                "MediaStreamOpened": 2,
                "MediaBatch": 2,
                "MediaDropped": 1,
                "MediaStreamClosed": 2,
                "GatewayStarted": 1,
                "RecordingDecided": 1,
            },
        ),
        UnionVersion(
            0x4643F022,
            {
                "MediaStreamOpened": 2,
                "MediaBatch": 2,
                "MediaDropped": 1,
                "MediaStreamClosed": 2,
                "GatewayStarted": 1,
                "RecordingDecided": 2,
            },
        ),
    ),
    "recordings": (
        UnionVersion(0x4643F005, {"RecordingStarted": 2, "RecordingCompleted": 2}),
        UnionVersion(0x4643F023, {"RecordingStarted": 2, "RecordingCompleted": 3}),
        UnionVersion(0x4643F1A0, {"RecordingStarted": 2, "RecordingCompleted": 4}),
    ),
    "policy": (
        UnionVersion(0x4643F006, {"RecordingPolicy": 2, "PolicyHeldBack": 1, "PolicyAccepted": 1}),
    ),
    "bridge.checkpoints": (UnionVersion(0x4643F007, {"BridgeCheckpoint": 2, "BridgePeriod": 1}),),
    "recorder.checkpoints": (
        UnionVersion(0x4643F008, {"RecorderDecision": 1, "RecorderCheckpoint": 5}),
    ),
}
"""By topic: the versions of its union, oldest first. A version is never changed. If the schema of a
member gets a new version, or the topic another record type, the union gets a new version with a new
id. Record types keep their places, and new ones come last: a reader with a new version can then
read everything that was written with an earlier one."""
