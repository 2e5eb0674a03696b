"""The metrics that processes of all roles have.

The console uses no Kafka. So those of Kafka are registered by the modules that measure them: their
zero would be a false alarm.
"""

from prometheus_client import Counter, Gauge

HTTP_CONNECTIONS_CLOSED = Counter(
    "flexcapture_http_connections_closed",
    "HTTP connections without a request that were closed: late (10 s) or surplus",
    ["reason"],
)
INVALID_SIDS = Counter(
    "flexcapture_invalid_sids", "SIDs of the wrong form, treated as absent, by kind", ["kind"]
)

# Kafka
CLOCK_SKEW = Gauge(
    "flexcapture_clock_skew_seconds",
    "How far this machine's clock is ahead of Kafka's, which all deadlines use (s); < 0: behind",
    registry=None,
)
KAFKA_USABLE = Gauge(
    "flexcapture_kafka_usable",
    "1 while this process can use Kafka: brokers answer, its topics can be read and written",
    registry=None,
)
SCHEMA_IDS_REFUSED = Counter(
    "flexcapture_schema_ids_refused",
    "Records of schema.ids that were refused: undecodable, or an id in them means two schemas",
    registry=None,
)
