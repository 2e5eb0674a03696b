"""The lander's metrics."""

from prometheus_client import Counter, Gauge

READ = Counter("flexcapture_lander_records_total", "Records read", ["topic"])
LANDED_RECORDS = Counter(
    "flexcapture_lander_landed_records_total", "Records in files that this process wrote", ["topic"]
)
FILES = Counter(
    "flexcapture_lander_files_total",
    "Files that this process wrote, by the reason for closing them",
    ["why"],
)
FILE_BYTES = Counter(
    "flexcapture_lander_file_bytes_total", "Bytes of the files that this process wrote"
)
ADOPTED = Counter(
    "flexcapture_lander_adopted_total",
    "Files that another lander had written first; nothing is lost",
)
UNDECODED = Counter(
    "flexcapture_lander_undecoded_total", "Landed records without a known schema", ["topic"]
)
FAILURES = Counter(
    "flexcapture_lander_failures_total", "Attempts to read or write the lake that failed"
)
WAITING = Gauge("flexcapture_lander_waiting_bytes", "Bytes of records that wait for their file")
LAG = Gauge("flexcapture_lander_lag_records", "Records that this process has yet to read")
STALLED = Gauge(
    "flexcapture_lander_stalled_partitions",
    "Partitions that stopped because the log contradicts the lake",
)
