"""The reconciler's metrics."""

from prometheus_client import Counter, Gauge

PERIODS = Counter(
    "flexcapture_reconciler_periods", "Periods that were compared, by kind and outcome",
    ["kind", "outcome"],
)  # fmt: skip
TASKS = Counter("flexcapture_reconciler_tasks", "Tasks that were compared with Twilio's records")
ADDED_EVENTS = Counter(
    "flexcapture_reconciler_added_events",
    "Events added from Twilio's lists because Event Streams never delivered them",
)
FOREIGN_ROWS = Counter(
    "flexcapture_reconciler_foreign_rows", "Rows of Twilio's lists that belong to another account"
)
BEHIND_SECONDS = Gauge(
    "flexcapture_reconciler_behind_seconds",
    "Time for which a period of this process has been due without any being completed",
)
