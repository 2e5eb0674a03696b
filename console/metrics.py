"""The console's metrics."""

from prometheus_client import Counter

ACTIONS = Counter(
    "flexcapture_console_actions", "Entries written to the audit table, by action", ["action"]
)
