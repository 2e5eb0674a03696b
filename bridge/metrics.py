"""The bridge's metrics."""

from prometheus_client import Counter, Gauge

# reading Kinesis
SHARDS_READABLE = Gauge(
    "flexcapture_bridge_shards_readable",
    "Shards that must be copied now, by any process, as far as this one knows",
)
SHARDS = Gauge("flexcapture_bridge_shards", "Shards copied by this process")
BEHIND_MS = Gauge(
    "flexcapture_bridge_behind_ms", "How far reading is behind the shard's tip (ms)", ["shard"]
)
READ_AT_SECONDS = Gauge(
    "flexcapture_bridge_read_at_seconds",
    "When the shard was last read, or given to this process if it was not yet (log time, s)",
    ["shard"],
)
READS = Counter("flexcapture_bridge_reads_total", "GetRecords calls by result", ["result"])

# writing Kafka
EVENTS = Counter("flexcapture_bridge_events_total", "Events written to cti.events")
DEAD_LETTERS_WRITTEN = Counter(
    "flexcapture_bridge_dead_letters_total", "Dead letters written, by reason", ["reason"]
)
DEAD_LETTERS_OF_CALLS = Counter(
    "flexcapture_bridge_dead_letters_of_calls_total",
    "Dead letters with the SID of one task in their bytes: events that are missing in a call",
)
EVENTS_TRIMMED = Counter(
    "flexcapture_bridge_trimmed_total",
    "Events too large for Kafka, written without the fields that no call needs",
)
TRANSACTIONS = Counter(
    "flexcapture_bridge_transactions_total", "Transactions, by outcome", ["outcome"]
)
