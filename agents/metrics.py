"""The metrics of the roles that have one module, and of the modules that roles share.

A process serves all of them; those of other roles are zero.
"""

from prometheus_client import Counter, Gauge, Histogram

# tracker
EVENTS_IGNORED = Counter("flexcapture_tracker_ignored_total", "Events that say nothing", ["reason"])
EVENTS_REPEATED = Counter("flexcapture_tracker_repeated_total", "Events that changed nothing")
CALL_VERSIONS = Counter("flexcapture_tracker_versions_total", "Versions of calls", ["state"])
CALLS_SWEPT = Counter(
    "flexcapture_tracker_swept_total", "Calls closed because their end never came"
)
CONTRADICTIONS = Counter(
    "flexcapture_tracker_contradictions",
    "Attributes of a task or worker that contradict their first value, which is kept",
    ["fact"],
)
CALLS_FORGOTTEN = Counter("flexcapture_tracker_forgotten_total", "Call states that were dropped")
IGNORED_CALLS = Counter(
    "flexcapture_tracker_ignored_calls",
    "Tasks with a call or a conference in a channel that FLEXCAPTURE_VOICE_CHANNELS does not name",
    ["channel"],
)

# resolver
EVENTS_RESOLVED = Counter("flexcapture_resolver_resolved_total", "Events with their task found")
EVENTS_LET_GO = Counter(
    "flexcapture_resolver_let_go_total", "Events dropped because their task was never found"
)

# stream-manager
STREAM_RECORDS = Counter(
    "flexcapture_stream_manager_records", "Commands and decisions", ["record", "what"]
)
UNSTREAMED_SECONDS = Counter(
    "flexcapture_unstreamed_seconds",
    "Seconds for which calls had to be recorded and had no running media stream; tasks without a "
    "conference do not count",
)
FAILED_STARTS = Counter(
    "flexcapture_failed_starts",
    "Starts of media streams that failed: refused, unreachable, no-leg, never-reached-gateway",
    ["kind"],
)
UNDECIDABLE_CALLS = Counter(
    "flexcapture_stream_manager_undecidable_calls",
    "Calls of monitored agents that are not recorded because their direction is unknown",
)
CONTRADICTED_LEGS = Counter(
    "flexcapture_stream_manager_contradicted_legs",
    "Streamed legs that belong to another call according to Twilio; recordings are withheld",
)
UNVERIFIED_LEGS = Gauge(
    "flexcapture_stream_manager_unverified_legs",
    "Calls with a streamed leg that Twilio has not confirmed for 30 s",
)

# stream-manager: the monitored list
POLICY_VERSION = Gauge("flexcapture_policy_version", "Latest known version of the monitored list")
REUSED_POLICY_VERSIONS = Gauge(
    "flexcapture_policy_reused_versions",
    "Version numbers of `policy` that were published again with other content, or are damaged",
)
WORKERS_RENAMED = Gauge(
    "flexcapture_workers_renamed", "Workers seen with more than one e-mail address"
)
EMAILS_SHARED = Gauge(
    "flexcapture_worker_emails_shared", "E-mail addresses seen with more than one worker"
)
POLICY_HELD_BACK = Gauge(
    "flexcapture_policy_held_back_entries",
    "Removals of entries from the monitored list that are held back",
)
POLICY_DIFFERS = Gauge(
    "flexcapture_policy_differs", "1 while the monitored list's file and the list in force differ"
)

# consolidator
CONTACTS_SAVED = Counter("flexcapture_contacts_saved", "Versions of contacts", ["outcome"])
CONTACT_SAVE_SECONDS = Histogram(
    "flexcapture_contact_save_seconds",
    "Time to save a version of a contact",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
)
CONTACTS_FINAL = Counter(
    "flexcapture_contacts_final",
    "Ended contacts with complete recordings, by capture; counted again if it changes",
    ["capture"],
)
RECONCILED = Counter(
    "flexcapture_reconciled",
    "Results of the comparison with Twilio's records; counted again if a task's result changes",
    ["result"],
)
UNMATCHED_RECORDINGS = Gauge(
    "flexcapture_unmatched_recordings", "Recordings in the database that belong to no contact"
)

# every role that reads topics in a consumer group
PARTITION_LAG_RECORDS = Gauge(
    "flexcapture_partition_lag_records",
    "Records of a partition that its owner has not handled yet",
    ["role", "topic", "partition"],
)
PARTITION_LAG_SECONDS = Gauge(
    "flexcapture_partition_lag_seconds",
    "Age of the first of them by Kafka's clock; 0 if there is none, or if it came within 5 s",
    ["role", "topic", "partition"],
)

# recorder, twilio-adapter
STUCK_SECONDS = Gauge(
    "flexcapture_stuck_seconds",
    "Time for which waiting work has made no progress, 0 while it does; the process ends at 150",
)
