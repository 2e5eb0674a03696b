"""The gateway's metrics."""

from prometheus_client import Counter, Gauge, Histogram

# sockets and media streams
CONNECTIONS = Gauge("flexcapture_gateway_connections", "Open sockets after their handshake")
HANDSHAKES_REFUSED = Counter(
    "flexcapture_gateway_handshakes_refused", "Handshakes refused, by reason", ["reason"]
)
FRAMES = Counter("flexcapture_gateway_frames", "Frames received, by track", ["track"])
FRAMES_INVALID = Counter(
    "flexcapture_gateway_frames_invalid", "Frames that could not be used, by fault", ["why"]
)
BATCHES = Counter("flexcapture_gateway_batches", "Batches handed to the publisher")
MEDIA_STREAMS_OPENED = Counter("flexcapture_gateway_media_streams_opened", "Media streams begun")
MEDIA_STREAMS_CLOSED = Counter(
    "flexcapture_gateway_media_streams_closed", "Media streams ended, by reason", ["reason"]
)
VIOLATIONS = Counter(
    "flexcapture_gateway_violations", "Sockets closed with 1008, by reason", ["why"]
)
TICKET_SECONDS_OFF = Gauge(
    "flexcapture_gateway_ticket_seconds_off",
    "Seconds by which the last ticket's time was off: > 0 expired, < 0 from the future, 0 valid",
)
DECISIONS_READ = Counter("flexcapture_gateway_decisions_read", "Recording decisions read")

# publishing
RECORDS_PUBLISHED = Counter(
    "flexcapture_gateway_records_published", "Records acknowledged by Kafka", ["topic"]
)
BATCHES_DROPPED = Counter(
    "flexcapture_gateway_batches_dropped", "Batches of audio dropped, by reason", ["reason"]
)
PUBLISH_SECONDS = Histogram(
    "flexcapture_gateway_publish_seconds",
    "From the cut of a record to Kafka's acknowledgement",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
RECORDS_REFUSED = Counter(
    "flexcapture_gateway_records_refused", "Records that Kafka refused for good", ["type"]
)
BUFFERED_BYTES = Gauge(
    "flexcapture_gateway_buffered_bytes", "Bytes in memory that Kafka has not acknowledged"
)
STALLED_PARTITIONS = Gauge(
    "flexcapture_gateway_stalled_partitions",
    "Partitions of topics of the gateway with a record unacknowledged for 10 s",
)
SPILLED_BYTES = Counter("flexcapture_gateway_spilled_bytes", "Bytes moved to the spill on disk")
SPILL_BYTES = Gauge("flexcapture_gateway_spill_bytes", "Bytes of the spill's files")
SPILL_FAILURES = Counter("flexcapture_gateway_spill_failures", "Writes to the spill that failed")
