"""All topics: name, key, partitions, retention, record types.

Topics that are keyed by call have the same number of partitions for good: 24. Another number would
move keys to other partitions, and break the order of the records of every running call.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

CALL_PARTITIONS = 24

TIMESTAMP_TYPE = "message.timestamp.type"
LOG_APPEND_TIME = "LogAppendTime"
MIN_IN_SYNC = "min.insync.replicas"

CHANGELOG_SUFFIX = "-table-changelog"

_DAY_MS = 24 * 60 * 60 * 1000
_MAX_RECORD_BYTES = 4 * 1024 * 1024
_SEGMENTS = 12
"""Number of segments in the retention time. Kafka deletes whole segments, by the age of their last
record. With a twelfth of the retention in a segment, no record is kept for more than 1.09 times the
retention."""


@dataclass(frozen=True, slots=True)
class Topic:
    """The required form of a topic.

    `key`: description of the records' key. `retention_ms`: None for a compacted topic, which keeps
    the last record of each key. The broker sets the timestamps of records, so the clocks of
    producers do not matter.
    """

    name: str
    key: str
    records: tuple[str, ...]
    partitions: int = CALL_PARTITIONS
    retention_ms: int | None = 30 * _DAY_MS
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_keyed_by_task(self) -> bool:
        """Whether all records of a task that have a key of their own are on the task's partition,
        under its SID."""
        return self.key.startswith("task SID")

    def config(self) -> dict[str, str]:
        """Return the topic's settings under Kafka's names."""
        return {
            **self._kept(),
            "max.message.bytes": str(_MAX_RECORD_BYTES),
            TIMESTAMP_TYPE: LOG_APPEND_TIME,
            # A cluster may have another default, which would lose acknowledged records.
            "unclean.leader.election.enable": "false",
            **self.extra,
        }

    def _kept(self) -> dict[str, str]:
        if self.retention_ms is None:
            return {"cleanup.policy": "compact"}
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(self.retention_ms),
            "retention.bytes": "-1",
            "segment.ms": str(max(self.retention_ms // _SEGMENTS, 1)),
        }


def min_in_sync(replicas: int) -> int:
    """Return the `min.insync.replicas` of a topic with this number of replicas: 2 for 3 or more, so
    that an acknowledged record is on two brokers and one broker may be away; else 1."""
    return 2 if replicas >= 3 else 1


def changelog(role: str) -> Topic:
    """Return the changelog topic of a Faust role's table.

    It is only compacted, because recovery hangs on a changelog that is deleted by age. Segments are
    short: a process that takes over a partition reads all of it, and Kafka never compacts the
    segment that is being written.
    """
    extra = {
        "segment.ms": "60000",
        "segment.bytes": str(8 * 1024 * 1024),
        "min.cleanable.dirty.ratio": "0.1",
    }
    return Topic(f"{role}{CHANGELOG_SUFFIX}", "task SID", (), retention_ms=None, extra=extra)


CTI_EVENTS = Topic("cti.events", "task SID, else call SID, else source", ("CtiEvent",))
DEAD_LETTERS = Topic("cti.dead-letters", "as the record had, else none", ("DeadLetter",))
DEAD_LETTERS_RETRIED = Topic(
    "cti.dead-letters.retried",
    "partition-offset of the dead letter, on the same partition",
    ("DeadLetterRetried",),
)
CTI_RESOLVED = Topic("cti.resolved", "task SID", ("CtiEvent", "LegContested", "LegFetched"))
CALL_ALIASES = Topic("call.aliases", "call SID", ("CallAlias",))
WORKERS_SEEN = Topic("workers.seen", "worker SID", ("WorkerSeen",))
WORKERS = Topic(
    "workers",
    "worker SID",
    ("Worker",),
    # Each stream manager and consolidator reads the whole topic; a worker's record changes rarely.
    partitions=1,
    retention_ms=None,
)
CALLS = Topic("calls", "task SID", ("Call",))
STREAM_COMMANDS = Topic(
    "stream.commands",
    "task SID",
    ("StartDuplicateStream", "StopDuplicateStream", "FindConference", "VerifyLeg", "FetchLeg"),
    retention_ms=7 * _DAY_MS,
)
STREAM_EVENTS = Topic(
    "stream.events",
    "task SID; GatewayStarted: none, on every partition; GatewayAlive: none",
    (
        "CommandAnswered",
        "RecordingDecided",
        "MediaStreamChanged",
        "MediaStreamOpened",
        "MediaStreamClosed",
        "HandshakeRefused",
        "MediaStreamObserved",
        "GatewayStarted",
        "GatewayAlive",
    ),
)
GATEWAYS_ALIVE = Topic(
    "gateways.alive", "none, on every partition", ("GatewayAlive",), retention_ms=_DAY_MS
)
MEDIA = Topic(
    "media",
    "task SID; GatewayStarted: none, on every partition",
    (
        "MediaStreamOpened",
        "MediaBatch",
        "MediaDropped",
        "MediaStreamClosed",
        "GatewayStarted",
        "RecordingDecided",
    ),
    retention_ms=3 * _DAY_MS,
)
RECORDINGS = Topic("recordings", "task SID", ("RecordingStarted", "RecordingCompleted"))
CONTACTS = Topic("contacts", "task SID", ("Contact",), retention_ms=None)
TICKS = Topic("ticks", "none, on every partition", ("Tick",), retention_ms=_DAY_MS)
CLOCK = Topic(
    "clock",
    "none",
    ("ClockProbe",),
    partitions=3,
    retention_ms=_DAY_MS,
)
RECONCILIATION_EVIDENCE = Topic("reconciliation.evidence", "task SID", ("ReconciliationEvidence",))
RECONCILIATIONS = Topic("reconciliations", "task SID", ("Reconciliation",), retention_ms=None)
RECONCILIATION_WINDOWS = Topic(
    "reconciliation.windows",
    "kind of the period and its time",
    ("ReconciliationWindow",),
    retention_ms=None,
)
TWILIO_PERMITS = Topic(
    "twilio.permits",
    "none: it has no records, and its partitions are permits for requests",
    (),
    partitions=16,
    retention_ms=_DAY_MS,
)
POLICY = Topic(
    "policy",
    "version, with -part from the second part on; held-back: and instance; accepted: and hash",
    ("RecordingPolicy", "PolicyHeldBack", "PolicyAccepted"),
    partitions=1,
    retention_ms=None,
)
SCHEMA_IDS_TOPIC = Topic(
    "schema.ids",
    "address of the registry; `fixed`: none",
    ("RegisteredSchemas",),
    # Each process reads the whole topic when it starts.
    partitions=1,
    retention_ms=None,
)
BRIDGE_CHECKPOINTS = Topic(
    "bridge.checkpoints",
    "checkpoint name, Kinesis stream, its creation time, shard (none: the whole stream's)",
    ("BridgeCheckpoint", "BridgePeriod"),
    retention_ms=None,
    # Each bridge reads the whole topic when it starts. Small segments are compacted sooner.
    extra={"segment.bytes": str(1024 * 1024), "min.cleanable.dirty.ratio": "0.1"},
)
RECORDER_CHECKPOINTS = Topic(
    "recorder.checkpoints",
    "recording id, or `decision:`, task SID, time and decision; on the partition of the media",
    ("RecorderCheckpoint", "RecorderDecision"),
    retention_ms=None,
)
RETRIEVALS = Topic(
    "retrievals",
    "task SID",
    ("RetrievalJob",),
    retention_ms=None,
    # A retriever reads a whole partition first of all. Small segments are compacted sooner.
    extra={"segment.bytes": str(1024 * 1024), "min.cleanable.dirty.ratio": "0.1"},
)

ALL = (
    CTI_EVENTS,
    DEAD_LETTERS,
    DEAD_LETTERS_RETRIED,
    CTI_RESOLVED,
    CALL_ALIASES,
    WORKERS_SEEN,
    WORKERS,
    CALLS,
    STREAM_COMMANDS,
    STREAM_EVENTS,
    GATEWAYS_ALIVE,
    MEDIA,
    RECORDINGS,
    CONTACTS,
    TICKS,
    CLOCK,
    RECONCILIATION_EVIDENCE,
    RECONCILIATIONS,
    RECONCILIATION_WINDOWS,
    TWILIO_PERMITS,
    POLICY,
    SCHEMA_IDS_TOPIC,
    BRIDGE_CHECKPOINTS,
    RECORDER_CHECKPOINTS,
    RETRIEVALS,
)

CHANGELOGS = tuple(map(changelog, ("tracker", "resolver", "stream-manager", "consolidator")))
PROVISIONED = (*ALL, *CHANGELOGS)
"""The topics that `flexcapture topics apply` creates."""
