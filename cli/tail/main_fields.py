"""The fields of each record type that `flexcapture tail` shows in a line, if they have a value. For
other types, all fields are shown. Pure."""

from collections.abc import Mapping

_COMMAND = ("generation", "call_sid", "reason", "expires_at")
_STREAM = ("stream_sid", "generation")
_EPOCH = ("gateway", "epoch")

MAIN_FIELDS: Mapping[str, tuple[str, ...]] = {
    "CtiEvent": ("type", "task_sid", "call_sid", "event_id"),
    "DeadLetter": ("reason", "task_sid", "role", "origin", "part", "position", "detail"),
    "DeadLetterRetried": ("partition", "offset", "outcome", "records"),
    "LegContested": ("call_sid", "other_task_sid"),
    "LegFetched": ("call_sid", "call_direction", "call_from", "call_to", "label"),
    "CallAlias": ("task_sid",),
    "WorkerSeen": ("task_sid", "identities"),
    "Worker": ("identities",),
    "Call": (
        "revision", "state", "direction", "customer", "queue", "agents", "connections", "legs",
        "cause_type",
    ),
    "StartDuplicateStream": _COMMAND,
    "StopDuplicateStream": ("stream_sid", *_COMMAND),
    "FindConference": ("generation", "expires_at"),
    "VerifyLeg": ("generation", "call_sid", "other_task_sids", "expires_at"),
    "FetchLeg": ("generation", "call_sid", "expires_at"),
    "CommandAnswered": (
        "command", "outcome", "generation", "call_sid", "stream_sid", "code", "attempts", "detail",
    ),
    "RecordingDecided": ("decision", "reason", "policy_version"),
    "MediaStreamChanged": ("state", *_STREAM, "reason"),
    "MediaStreamOpened": (*_STREAM, "call_sid", *_EPOCH),
    "MediaStreamClosed": ("reason", *_STREAM, *_EPOCH, "batches", "frames", "invalid", "detail"),
    "HandshakeRefused": ("reason", "generation", "call_sid", *_EPOCH, "detail"),
    "MediaStreamObserved": (*_STREAM, *_EPOCH, "pings", "pongs"),
    "GatewayStarted": _EPOCH,
    "GatewayAlive": _EPOCH,
    "MediaBatch": ("stream_sid", "number", "first_sequence", "last_sequence", *_EPOCH),
    "MediaDropped": ("reason", "stream_sid", "first_number", "last_number", *_EPOCH),
    "RecordingStarted": ("inum", *_STREAM, "supplement_of"),
    "RecordingCompleted": ("inum", *_STREAM, "reason", "duration_ms", "received", "lost", "audio"),
    "RetrievalJob": ("state", "reason", "attempts", "due_at", "wanted", "retrieved"),
    "ReconciliationEvidence": ("is_examined", "added_events"),
    "Reconciliation": ("result", "reason", "policy_version", "added_events"),
    "ReconciliationWindow": ("begins_at", "ends_at", "tasks", "added_events", "instance"),
    "Contact": ("revision", "state", "direction", "outcome", "capture", "sessions", "recordings"),
    "RegisteredSchemas": ("registry", "schemas"),
    "Tick": ("at",),
    "ClockProbe": ("instance", "at"),
    "RecordingPolicy": ("version", "part", "parts", "entries", "effective_at"),
    "PolicyHeldBack": ("instance", "in_force", "lost_entries", "added_entries", "effective_at"),
    "PolicyAccepted": ("hash", "base"),
    "BridgeCheckpoint": ("name", "shard_id", "sequence_number", "finished", "instance"),
    "BridgePeriod": ("name", "begins_at", "ends_at", "instance"),
    "RecorderCheckpoint": (*_STREAM, "task_sid", "offset", "batches", "closed_at"),
    "RecorderDecision": ("task_sid", "decision", "at"),
}  # fmt: skip
