"""The console's metrics."""

from prometheus_client import Counter, Gauge

ACTIONS = Counter(
    "flexcapture_console_actions", "Entries written to the audit table, by action", ["action"]
)
CHECKS = Gauge(
    "flexcapture_checks",
    "Checks in the last run of `flexcapture twilio doctor`, by status: ok, warning, failure",
    ["status"],
)
CHECKS_AGE = Gauge(
    "flexcapture_checks_age_seconds",
    "Age of the last run of `flexcapture twilio doctor` (s); infinite if there was none",
)
