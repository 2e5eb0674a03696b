"""The metrics of every Faust role."""

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("flexcapture_events_total", "Records handled", ["topic"])
OUTPUTS = Counter("flexcapture_outputs_total", "Records published", ["topic"])
GIVEN_UP = Counter(
    "flexcapture_role_dead_letters_total", "Records sent to dead letters", ["topic", "reason"]
)
HANDLING = Histogram(
    "flexcapture_handling_seconds",
    "Time to handle a record",
    buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.2, 1, 5),
)
BEHIND = Histogram(
    "flexcapture_handled_after_seconds",
    "Age of a record when it is handled",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 60),
)
KEYS = Gauge("flexcapture_table_keys", "Keys in the table")
LAG_RECORDS = Gauge(
    "flexcapture_lag_records", "Records not yet handled, in this process's partitions"
)
WAITING_PARTITIONS = Gauge(
    "flexcapture_waiting_partitions",
    "Partitions with results that Kafka does not accept",
)
