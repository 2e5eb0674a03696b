"""Metrics of the requests about calls that are over."""

from prometheus_client import Counter, Gauge

HISTORY_REQUESTS = Counter(
    "flexcapture_twilio_history_requests",
    "Requests to Twilio about calls that are over",
    ["request", "outcome"],
)
HISTORY_IN_FLIGHT = Gauge(
    "flexcapture_twilio_history_in_flight",
    "Requests about calls that are over that Twilio has not answered yet",
)
HISTORY_PERMITS = Gauge(
    "flexcapture_twilio_history_permits",
    "Requests about calls that are over that this process may have in flight; the "
    "installation has a fixed number",
)
HISTORY_WAITING = Gauge(
    "flexcapture_twilio_history_waiting",
    "Requests about calls that are over that wait for a permit or for the end of a pause",
)
HISTORY_PAUSE_SECONDS = Gauge(
    "flexcapture_twilio_history_pause_seconds",
    "Pause between requests about calls that are over, after a 429; else 0",
)
