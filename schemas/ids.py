"""The fixed ids of the schemas, and the schemas' texts.

The ids are fixed here for good. A schema with changed fields gets a new id, and the old one stays
readable. A change of its documentation alone keeps the id.
"""

import json
from collections.abc import Mapping
from pathlib import Path

AVRO_DIR = Path(__file__).parent / "avro"

SCHEMA_IDS: Mapping[str, int] = {
    "CtiEvent": 0x46430001,
    "DeadLetter": 0x46430118,
    "Tick": 0x46430003,
    "RecordingPolicy": 0x46430060,
    "Call": 0x46430168,
    "StartDuplicateStream": 0x46430162,
    "StopDuplicateStream": 0x46430163,
    "CommandAnswered": 0x46430130,
    "RecordingDecided": 0x46430160,
    "MediaStreamChanged": 0x46430161,
    "MediaStreamOpened": 0x464300D0,
    "MediaBatch": 0x46430062,
    "MediaStreamClosed": 0x464300A0,
    "GatewayStarted": 0x4643000E,
    "RecordingStarted": 0x46430063,
    "RecordingCompleted": 0x464301A0,
    "Contact": 0x46430193,
    "RecorderCheckpoint": 0x46430066,
    "CallStreams": 0x46430167,
    "ContactState": 0x46430194,
    "BridgeCheckpoint": 0x46430040,
    "RecordingSegment": 0x46430052,
    "CallAlias": 0x46430134,
    "CallAliasState": 0x46430141,
    "ForgottenCall": 0x46430019,
    "GatewayAlive": 0x4643001A,
    "BridgePeriod": 0x46430020,
    "DeadLetterRetried": 0x46430021,
    "MediaDropped": 0x46430050,
    "RecorderDecision": 0x46430067,
    "HandshakeRefused": 0x46430121,
    "PolicyHeldBack": 0x46430090,
    "PolicyAccepted": 0x46430091,
    "ClockProbe": 0x464300D1,
    "Worker": 0x464300F2,
    "WorkerSeen": 0x464300F3,
    "VerifyLeg": 0x46430165,
    "LegContested": 0x46430135,
    "MediaStreamObserved": 0x46430120,
    "FindConference": 0x46430164,
    "FetchLeg": 0x46430166,
    "LegFetched": 0x46430115,
    "DerivationProgress": 0x46430150,
    "RetrievalJob": 0x464301A4,
    "RegisteredSchemas": 0x46430180,
    "ReconciliationEvidence": 0x46430190,
    "Reconciliation": 0x46430191,
    "ReconciliationWindow": 0x46430192,
}
"""The current schema's id of each record type. Records are written with it, or with the id that a
schema registry has for it (`codec.write_ids`)."""

EARLIER_IDS: Mapping[str, tuple[int, ...]] = {
    "DeadLetter": (0x46430002,),
    "RecordingPolicy": (0x46430004,),
    "Call": (0x46430005, 0x4643001B, 0x46430061),
    "Contact": (0x46430011, 0x4643001C, 0x46430065, 0x464300F1, 0x464301A1),
    "RecorderCheckpoint": (0x46430012, 0x4643001F, 0x46430051, 0x46430053),
    "RecordingSegment": (0x46430016,),
    "BridgeCheckpoint": (0x46430015,),
    "MediaBatch": (0x4643000C,),
    "MediaStreamClosed": (0x4643000D,),
    "RecordingStarted": (0x4643000F,),
    "RecordingCompleted": (0x46430010, 0x46430064, 0x46430169),
    "ContactState": (0x46430014, 0x46430069, 0x464300F5, 0x4643016A, 0x464301A2),
    "CallStreams": (0x46430013, 0x464300F4, 0x46430113, 0x46430119, 0x46430131, 0x46430140),
    "StartDuplicateStream": (0x46430006, 0x46430110),
    "VerifyLeg": (0x464300F7, 0x46430111, 0x46430133),
    "CommandAnswered": (0x46430008, 0x46430112, 0x4643011B),
    "CallAliasState": (0x46430018, 0x464300F6, 0x46430132),
    "MediaStreamOpened": (0x4643000B,),
    "HandshakeRefused": (0x46430068,),
    "LegContested": (0x464300F8,),
    "CallAlias": (0x46430017,),
    "RecordingDecided": (0x46430009,),
    "MediaStreamChanged": (0x4643000A,),
    "StopDuplicateStream": (0x46430007,),
    "FindConference": (0x4643011A,),
    "FetchLeg": (0x46430114,),
}
"""The ids of a record type's earlier schemas (`avro/earlier/NAME.VERSION.avsc`, versions from 1).
Records with these ids are read into the current schema; new fields get their defaults."""

OUR_IDS = range(0x46430000, 0x46440000)
"""The ids of this repository's schemas, now and later. Other roles use other ids."""


def versions(name: str) -> tuple[int, ...]:
    """Return the ids of all versions of a record type's schema, oldest first."""
    return (*EARLIER_IDS.get(name, ()), SCHEMA_IDS[name])


def schema_text(name: str, version: int | None = None) -> str:
    """Return the Avro schema of a record type as JSON, as it is registered. `version`: from 1, None
    for the current one."""
    latest = version is None or version == len(versions(name))
    path = AVRO_DIR / (f"{name}.avsc" if latest else f"earlier/{name}.{version}.avsc")
    return json.dumps(json.loads(path.read_text()), separators=(",", ":"))
